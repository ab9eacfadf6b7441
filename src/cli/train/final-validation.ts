import type { GPT2 } from "../../api/gpt2.ts";
import { allocLossWorkspace, freeWorkspace } from "../../model/workspace.ts";
import { evaluate } from "../../train/evaluate.ts";
import type { TrainEvent } from "../../train/events.ts";
import type { BatchSource } from "../../train/options.ts";
import type { TrainSettings } from "./options.ts";

/**
 * The events of a run whose last validation takes `finalValBatches` batches: while training a rough value is enough,
 * at the end it should be a good one.
 */
export async function* withFinalValidation(
  events: AsyncIterable<TrainEvent>,
  model: GPT2,
  loader: BatchSource | undefined,
  { valBatches, finalValBatches }: TrainSettings,
  steps: number,
  signal: AbortSignal,
): AsyncGenerator<TrainEvent, void, undefined> {
  let final: number | undefined;
  for await (const event of events) {
    if (event.type === "val" && event.step === steps && loader && finalValBatches !== valBatches) {
      final = await validate(model, loader, finalValBatches, signal);
      yield { ...event, loss: final ?? event.loss };
    } else yield event.type === "done" ? { ...event, valLoss: final ?? event.valLoss } : event;
  }
}

async function validate(
  { backend, parameters }: GPT2,
  loader: BatchSource,
  batches: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const workspace = allocLossWorkspace(backend, parameters.config, loader.B, loader.T);
  try {
    return await evaluate(backend, parameters, workspace, loader, batches, signal);
  } finally {
    await freeWorkspace(backend, workspace);
  }
}
