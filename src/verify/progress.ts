import type { Backend } from "../backend/backend.ts";
import { costOf, type OperationName } from "../backend/work.ts";

/** The operations that take nearly all of the time. */
const counted: readonly OperationName[] = [
  "matmulForward",
  "matmulBackwardInput",
  "matmulBackwardWeight",
  "headBackward",
];

/**
 * The same backend, which also tells how much of the work enqueued through it is done: a model's graph is enqueued in
 * a moment, and then computes for minutes on the reference backend.
 */
export function withProgress(backend: Backend, onProgress: (done: number, total: number) => void): Backend {
  let done = 0;
  let total = 0;
  return new Proxy(backend, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== "function") return member;
      const operation = counted.find((name) => name === key);
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, target, args);
        if (!operation) return result;
        const amount = costOf({ operation, args }).flops;
        total += amount;
        const finished = () => {
          done += amount;
          onProgress(done, total);
        };
        // A failure is reported by whoever waits for the result.
        target.sync().then(finished, () => {});
        return result;
      };
    },
  });
}
