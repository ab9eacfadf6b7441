/** Options of the commands that make one training step to compare with: `trace` and `verify --trace`. */
import { GPT2 } from "../../api/gpt2.ts";
import { TokenLoader } from "../../data/loader.ts";
import { UsageError } from "../../errors.ts";
import type { HeaderlessType } from "../../format/headerless.ts";
import { requireMemory } from "../../model/memory.ts";
import type { DebugBatch } from "../../verify/debug-state.ts";
import { type Trace, type TraceUpdate, traceStep } from "../../verify/trace.ts";
import { requireTokens } from "./data.ts";
import { modelPath } from "./model.ts";

export interface UpdateFlags {
  readonly lr: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly gradClip: number;
}

export interface BatchFlags {
  readonly data?: string;
  readonly batch: number;
  readonly block: number;
  readonly headerless?: boolean | HeaderlessType;
}

/** Settings of the update that a trace ends with. */
export function updateOf({ lr, weightDecay, beta1, beta2, eps, gradClip }: UpdateFlags): TraceUpdate {
  return { learningRate: lr, beta1, beta2, eps, weightDecay, gradClip };
}

/** The first batch of a token file, in the file's order. */
export async function firstBatch(data: string, V: number, { batch: B, block: T, headerless }: BatchFlags) {
  if (!headerless) await requireTokens(data);
  const loader = await TokenLoader.open(data, { B, T, V, headerless, masked: false });
  try {
    const { inputs: x, targets: y } = await loader.next();
    return { B, T, x, y };
  } finally {
    await loader.close();
  }
}

/** Traces a step of the model in a file, on the reference backend. `batchOf` gives the batch, knowing the vocabulary. */
export async function traceModel<R>(
  name: string,
  update: TraceUpdate,
  batchOf: (V: number) => Promise<DebugBatch>,
  use: (trace: Trace) => Promise<R>,
): Promise<R> {
  const model = await GPT2.load(await modelPath(name), { backend: "reference" });
  try {
    const { backend, parameters, config } = model;
    const batch = await batchOf(config.V);
    if (batch.T > config.maxT)
      throw new UsageError(
        `${batch.T} tokens in a sequence are more than the model's ${config.maxT} positions. Choose ${config.maxT} or less: ` +
          `-t ${config.maxT}.`,
      );
    requireMemory(backend, config, { optimizer: true, train: batch }, backend.memoryUsed);
    return await traceStep(backend, parameters, batch, update, use);
  } finally {
    await model.dispose();
  }
}
