// Worker threads that can be made to fail: the last one started reports its end when the channel "fail" says so. A
// browser reports no event for a worker that another one has terminated, so the test does.
const workers = [];
globalThis.Worker = class extends Worker {
  constructor(...args) {
    super(...args);
    workers.push(this);
  }
};
new BroadcastChannel("fail").addEventListener("message", () => {
  const worker = workers.pop();
  worker.terminate();
  worker.dispatchEvent(new ErrorEvent("error", { message: "ended by the test" }));
});
