// The page's side of worker.js.

/** Gives a worker a function `call`, which has it run code. */
export function start(worker) {
  let calls = 0;
  const waiting = new Map();
  worker.addEventListener("message", ({ data: { id, result, problem } }) => {
    const { resolve, reject } = waiting.get(id);
    if (problem === undefined) resolve(result);
    else reject(new Error(problem));
  });
  worker.addEventListener("error", (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message));
  });
  return {
    terminate: () => worker.terminate(),
    call: (code) =>
      new Promise((resolve, reject) => {
        waiting.set(++calls, { resolve, reject });
        worker.postMessage({ id: calls, code });
      }),
  };
}
