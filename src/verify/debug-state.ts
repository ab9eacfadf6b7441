import { type Backend, view } from "../backend/backend.ts";
import { costOf, type OperationName } from "../backend/work.ts";
import type { DebugStateContent } from "../format/state.ts";
import { backward, forward } from "../model/gpt2.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { type Parameters, TensorSet } from "../model/tensor-set.ts";
import { allocTrainWorkspace } from "../model/workspace.ts";
import { logitReader } from "./logits.ts";

export interface DebugBatch {
  readonly B: number;
  readonly T: number;
  /** (B,T) tokens, and the tokens that follow them. */
  readonly x: Int32Array;
  readonly y: Int32Array;
}

/**
 * Computes what a debug state holds for one batch, and gives it to `write`. `onProgress` receives the share
 * done, 0 to 1.
 */
export async function computeDebugState(
  backend: Backend,
  p: Parameters,
  batch: DebugBatch,
  write: (content: DebugStateContent) => Promise<void>,
  onProgress: (share: number) => void = () => {},
): Promise<void> {
  const { B, T, x, y } = batch;
  const { C, Vp } = p.config;
  const logitsWork = B * T * C * Vp;
  const be = withProgress(backend, (done, total) => onProgress(done / (total + logitsWork)));
  const memory = new TensorScope(backend);
  try {
    const grads = new TensorSet(memory, p.config, "f32", undefined, "gradients");
    const ws = allocTrainWorkspace(memory, p.config, B, T);
    await be.write(ws.tokens, x);
    await be.write(ws.head.targets, y);
    forward(be, p, ws);
    backward(be, p, grads, ws);
    const [loss] = await be.read(view(ws.stats, 0, [1]));
    const logits = logitReader(backend, memory, p, ws);
    await write({
      B,
      T,
      x,
      y,
      loss,
      readLogits: (row) => logits.read(row),
      readGradient: (name, start, length) => grads.read(backend, name, start, length),
    });
    onProgress(1);
  } finally {
    await memory.free();
  }
}

/** The operations that take nearly all of the time. */
const counted: readonly OperationName[] = [
  "matmulForward",
  "matmulBackwardInput",
  "matmulBackwardWeight",
  "headBackward",
];

/**
 * The same backend, which also reports the completed share of the work enqueued through it: a model's graph is enqueued in
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
        // A failure is reported by the caller that awaits the result.
        target.sync().then(finished, () => {});
        return result;
      };
    },
  });
}
