import type { Backend } from "../backend/backend.ts";

type Operation<K extends keyof Backend> = Backend[K] extends (...args: infer A) => void ? A : never;

/** The multiplications that each expensive operation makes; the others do not count beside them. */
const work: Readonly<Record<string, (args: never) => number>> = {
  matmulForward: ([, , , , N, C, OC]: Operation<"matmulForward">) => N * C * OC,
  matmulBackwardInput: ([, , , N, C, OC]: Operation<"matmulBackwardInput">) => N * C * OC,
  matmulBackwardWeight: ([, , , , N, C, OC]: Operation<"matmulBackwardWeight">) => N * C * OC,
  headBackward: ([, , , , , , , N, C, , Vp]: Operation<"headBackward">) => 3 * N * C * Vp,
};

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
      const workOf = work[String(key)] as ((args: unknown[]) => number) | undefined;
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, target, args);
        if (!workOf) return result;
        const amount = workOf(args);
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
