/**
 * llm.c's test_gpt2: comparison of this program, on this machine, with another one. A debug state holds one batch
 * with the logits, the loss and the gradients that a model gives for it; ten AdamW steps on the batch follow.
 */
import { type Backend, view } from "../backend/backend.ts";
import type { DebugState } from "../format/state.ts";
import type { GPT2Config } from "../model/config.ts";
import { backward, forward, update } from "../model/gpt2.ts";
import { heldByOthers, requireMemory, weightsPlan } from "../model/memory.ts";
import type { TensorName } from "../model/parameters.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { allocTrainingTensors, type Parameters, type TensorSet } from "../model/tensor-set.ts";
import { type Allocator, allocTrainWorkspace, type TrainWorkspace } from "../model/workspace.ts";
import { logitReader } from "./logits.ts";

/** Difference between a computed value and the state's. */
export interface Comparison {
  /** The largest absolute difference. */
  readonly maxDiff: number;
  /** The largest absolute value that the state has. */
  readonly maxAbs: number;
  /** The largest difference that is allowed. */
  readonly bound: number;
  readonly okay: boolean;
}

/** Reports of `verify`, in order: logits, loss, every gradient, ten steps, and the verdict. */
export type VerifyEvent =
  | ({ readonly type: "logits" } & Comparison)
  | ({ readonly type: "loss"; readonly loss: number; readonly expected: number } & Comparison)
  | ({ readonly type: "gradient"; readonly name: TensorName } & Comparison)
  | {
      readonly type: "step";
      readonly step: number;
      readonly loss: number;
      /** Undefined where no loss is known: the step is okay then. */
      readonly expected?: number;
      readonly okay: boolean;
      readonly ms: number;
    }
  | { readonly type: "done"; readonly okay: boolean };

const verifySteps = 10;

/** The optimizer of llm.c's test: weight decay on every tensor, biases and layernorms included. */
const adamw = {
  learningRate: 1e-4,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.01,
  gradScale: 1,
  decayAll: true,
} as const;

/**
 * Compares a model with a debug state and trains it for ten steps: its weights are others afterwards. `losses` are
 * those that the ten steps should give, as many as are known; for GPT-2 124M's own state llm.c's are taken.
 */
export async function* verify(
  be: Backend,
  p: Parameters,
  state: DebugState,
  losses: readonly number[] = publishedLosses(p.config, state.loss) ?? [],
): AsyncGenerator<VerifyEvent, void, undefined> {
  const { B, T } = state;
  requireMemory(be, p.config, { optimizer: true, train: { B, T } }, heldByOthers(be, p.config, weightsPlan(p)));
  const memory = new TensorScope(be);
  try {
    const { grads, m, v } = allocTrainingTensors(memory, p);
    const ws = allocTrainWorkspace(memory, p.config, B, T);
    await be.write(ws.tokens, state.x);
    await be.write(ws.head.targets, state.y);
    let okay = true;
    for (let step = 0; step < verifySteps; step++) {
      const start = performance.now();
      forward(be, p, ws);
      let scale = 1;
      if (step === 0) {
        const logits = await compareLogits(be, memory, p, ws, state);
        scale = bounds.scale(logits.maxAbs);
        const event = judged(logits, bounds.logits * scale);
        okay &&= event.okay;
        yield { type: "logits", ...event };
      }
      backward(be, p, grads, ws);
      const [loss] = await be.read(view(ws.stats, 0, [1]));
      const ms = performance.now() - start;
      if (step === 0) {
        const difference = { maxDiff: Math.abs(loss - state.loss), maxAbs: Math.abs(state.loss) };
        const event = judged(difference, bounds.loss * scale);
        okay &&= event.okay;
        yield { type: "loss", loss, expected: state.loss, ...event };
        for (const [name, gradient] of await compareGradients(be, grads, state)) {
          const event = judged(gradient, bounds.gradient * scale * gradient.maxAbs);
          okay &&= event.okay;
          yield { type: "gradient", name, ...event };
        }
      }
      update(be, p, { grads, m, v }, { ...adamw, step: step + 1 });
      const expected = losses[step];
      const stepOkay = Number.isFinite(loss) && (expected === undefined || Math.abs(loss - expected) <= bounds.step);
      okay &&= stepOkay;
      yield { type: "step", step, loss, expected, okay: stepOkay, ms };
    }
    yield { type: "done", okay };
  } finally {
    await memory.free();
  }
}

type Difference = Pick<Comparison, "maxDiff" | "maxAbs">;

/** A NaN anywhere is never okay: no comparison with it is true. */
function judged(difference: Difference, bound: number): Comparison {
  return { ...difference, bound, okay: difference.maxDiff <= bound };
}

/** Takes one more piece of a tensor into account. `Math.max` hands a NaN on. */
function compare(so: Difference, actual: Float32Array, expected: Float32Array): Difference {
  let { maxDiff, maxAbs } = so;
  for (let i = 0; i < expected.length; i++) {
    maxDiff = Math.max(maxDiff, Math.abs(actual[i] - expected[i]));
    maxAbs = Math.max(maxAbs, Math.abs(expected[i]));
  }
  return { maxDiff, maxAbs };
}

const none: Difference = { maxDiff: 0, maxAbs: 0 };

async function compareLogits(
  be: Backend,
  at: Allocator,
  p: Parameters,
  ws: TrainWorkspace,
  state: DebugState,
): Promise<Difference> {
  const { V } = p.config;
  const logits = logitReader(be, at, p, ws);
  let difference = none;
  await state.readLogits(async (start, expected) => {
    // The file's chunks end where they like, in the middle of a row too.
    for (let i = 0; i < expected.length; ) {
      const column = (start + i) % V;
      const length = Math.min(V - column, expected.length - i);
      const row = await logits.read(Math.floor((start + i) / V));
      difference = compare(difference, row.subarray(column, column + length), expected.subarray(i, i + length));
      i += length;
    }
  });
  return difference;
}

async function compareGradients(
  be: Backend,
  grads: TensorSet,
  state: DebugState,
): Promise<Map<TensorName, Difference>> {
  const differences = new Map<TensorName, Difference>(grads.parameters.map(({ name }) => [name, none]));
  await state.readGradients(async (name, start, expected) => {
    const actual = await grads.read(be, name, start, expected.length);
    differences.set(name, compare(differences.get(name) ?? none, actual, expected));
  });
  return differences;
}

/**
 * Tolerances between two right implementations in float32. A float32 sum of K products is off by about
 * sqrt(K) * 2^-24 of its terms' size: 1e-6 to 1e-5 after a whole forward pass (PyTorch in float32 against float64, on
 * the small fixtures: logits 8e-6, loss 2e-6, gradients 3e-6 of their tensor's largest value). These bounds leave a
 * factor of ten above that; a mistake in a layer gives differences of 1e-2 and more.
 *
 * Rounding is relative, so it grows with the logits, and from them on: the loss is a difference of logits, and the
 * gradients start from their softmax. Hence one scale for all three, 1 up to logits of 10, as small models have them.
 * The pretrained GPT-2's reach into the hundreds: its bounds become about 1e-3 for logits and for gradients, as llm.c's
 * float32 test on GPUs asks (1e-3), where its test on CPUs is content with 1e-2 and 2e-2.
 */
export const bounds = {
  /** Absolute. */
  logits: 1e-4,
  /** Absolute. */
  loss: 1e-5,
  /** Relative to the largest value of the tensor. */
  gradient: 1e-4,
  /** The losses of the ten steps, absolute: AdamW divides by tiny gradients' roots, so rounding grows from step to step. */
  step: 1e-3,
  /** Multiplies the first three, given the largest absolute logit. */
  scale: (largestLogit: number) => Math.max(1, largestLogit / 10),
} as const;

/** Losses of PyTorch for GPT-2 124M on llm.c's debug batch (llm.c's test_gpt2.c). */
const gpt2Losses = [5.270007, 4.059707, 3.375123, 2.800783, 2.315382, 1.849029, 1.394656, 0.999147, 0.62408, 0.376511];

/** The published losses of the ten steps, when the model and its first loss are GPT-2 124M's. */
export function publishedLosses({ L, C, V }: GPT2Config, loss: number): readonly number[] | undefined {
  const same = L === 12 && C === 768 && V === 50257 && Math.abs(loss - gpt2Losses[0]) < 1e-4;
  return same ? gpt2Losses : undefined;
}
