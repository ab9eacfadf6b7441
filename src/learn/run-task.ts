/** Runs a reader's function, on whatever thread this is. */
import type { Argument } from "./exercise.ts";
import type { Report, Task } from "./task.ts";

export type Callable = (...args: unknown[]) => unknown;

/** Runs a task with the function of its exercise, and `adamw` where the task trains. Throws what the function throws. */
export async function runTask(
  given: Task,
  call: Callable,
  report: (what: Report) => void,
  adamw: Callable = call,
): Promise<void> {
  switch (given.kind) {
    case "calls":
      for (const args of given.calls) report({ type: "outcome", outcome: outcomeOf(call, args, given) });
      return;
    case "gradients": {
      const returned = (await call(given.weights, given.tokens, given.targets, given.sizes)) as {
        loss?: unknown;
        grads?: Record<string, unknown>;
      };
      const grads = Object.entries(returned?.grads ?? {}).map(([key, value]) => [key, numbersOf(value)] as const);
      const loss = typeof returned?.loss === "number" ? Float64Array.of(returned.loss) : typeName(returned?.loss);
      report({ type: "outcome", outcome: { results: { ...Object.fromEntries(grads), loss }, changed: [] } });
      return;
    }
    case "measure":
      report({ type: "outcome", outcome: outcomeOf(call, given.args, given) });
      report({ type: "speed", times: speedOf(call, given) });
      return;
    case "train":
      await train(call, adamw, given, report);
  }
}

function outcomeOf(
  call: Callable,
  args: readonly Argument[],
  { parameters, results }: Extract<Task, { kind: "calls" | "measure" }>,
) {
  const copies = structuredClone(args);
  const returned = call(...copies);
  const values = results.length === 1 ? { [results[0]]: returned } : (returned as Record<string, unknown>);
  const changed = parameters.filter((_, i) => !isSame(args[i], copies[i]));
  if (typeof values !== "object" || values === null)
    return { results: Object.fromEntries(results.map((each) => [each, typeName(returned)])), changed };
  return { results: Object.fromEntries(results.map((each) => [each, numbersOf(values[each])])), changed };
}

function isSame(a: unknown, b: unknown): boolean {
  if (!ArrayBuffer.isView(a)) return true;
  const [first, second] = [a as Float32Array, b as Float32Array];
  return first.every((value, i) => Object.is(value, second[i]));
}

/** The numbers of any kind of array; else what it is. */
function numbersOf(value: unknown): Float64Array | string {
  const isArray = value instanceof Float32Array || value instanceof Float64Array || value instanceof Int32Array;
  if (isArray) return Float64Array.from(value);
  if (Array.isArray(value) && value.every((each) => typeof each === "number")) return Float64Array.from(value);
  return typeName(value);
}

function typeName(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (value instanceof Promise) return "a Promise (the function must not be async)";
  if (typeof value === "object") return `an object of type ${value.constructor?.name ?? "Object"}`;
  return `a ${typeof value}`;
}

/** How many times as fast a function is as the slow one: the best of two runs of each, in turns. */
function speedOf(call: Callable, { args, slow }: Extract<Task, { kind: "measure" }>): number {
  const given = new Function("inp", "weight", "bias", "N", "C", "OC", slow) as Callable;
  const best = [given, call].map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < 2; round++)
    for (const [i, each] of [given, call].entries()) {
      const start = performance.now();
      each(...args);
      best[i] = Math.min(best[i], performance.now() - start);
    }
  return best[0] / best[1];
}

/** Milliseconds between two reports of the weights. */
const reportEvery = 30_000;

async function train(
  gradients: Callable,
  adamw: Callable,
  given: Extract<Task, { kind: "train" }>,
  report: (what: Report) => void,
): Promise<void> {
  const { data, sizes, steps, stop } = given;
  const { B, T } = sizes;
  const weights: Record<string, Float32Array> = { ...given.weights };
  const moments = Object.entries(weights).map(
    ([key, { length }]) => [key, { m: new Float32Array(length), v: new Float32Array(length) }] as const,
  );
  // Windows from all over the text, the same in every run.
  let random = 1;
  const next = (limit: number) => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return Math.floor((random / 2 ** 32) * limit);
  };
  const trained = { step: 0, at: performance.now() };
  const reportWeights = (step: number) => {
    report({ type: "trained", step, weights });
    Object.assign(trained, { step, at: performance.now() });
  };
  let done = 0;
  try {
    while (done < steps && Atomics.load(stop, 0) === 0) {
      const loss = await makeStep(done + 1);
      done++;
      report({ type: "step", step: done, loss });
      if (performance.now() - trained.at > reportEvery) reportWeights(done);
    }
  } finally {
    if (done > trained.step) reportWeights(done);
  }

  async function makeStep(step: number): Promise<number> {
    const [tokens, targets] = [new Int32Array(B * T), new Int32Array(B * T)];
    for (let b = 0; b < B; b++) {
      const start = next(data.length - T - 1);
      tokens.set(data.subarray(start, start + T), b * T);
      targets.set(data.subarray(start + 1, start + T + 1), b * T);
    }
    const { loss, grads } = (await gradients(weights, tokens, targets, sizes)) as {
      loss: number;
      grads: Record<string, Float32Array>;
    };
    const learningRate = 1e-3 * Math.min(1, step / 20);
    const updates = moments.map(([key, { m, v }]) => {
      const weightDecay = /(wte|wpe|qkvw|projw|fcw)$/.test(key) ? 0.1 : 0;
      const options = { learningRate, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay, step };
      return adamw(weights[key], grads[key], m, v, options) as Record<"param" | "m" | "v", Float32Array>;
    });
    // Only now: a step that fails changes nothing.
    for (const [i, [key, moment]] of moments.entries()) {
      const { param, m, v } = updates[i];
      weights[key] = param;
      Object.assign(moment, { m, v });
    }
    return loss;
  }
}
