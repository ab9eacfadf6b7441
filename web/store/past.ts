/** What is drawn of a run before it goes on: its curves and texts, as storage has them. */
import { decodeColumns } from "../../src/runs/columns.ts";
import { engine } from "../engine/client.ts";
import type { RunDetail } from "../engine/protocol.ts";
import { Progress } from "./progress.ts";

export async function pastOf(name: string): Promise<Progress> {
  const [columns, detail] = await Promise.all([engine.columns(name), engine.detail(name)]);
  return progressUntil(detail.summary.checkpoint, decodeColumns(columns), detail.samples);
}

/** What a run did up to its checkpoint; without one it begins anew, and there is nothing. */
export function progressUntil(
  checkpoint: number | undefined,
  { step, loss, lr, norm, tokensPerSecond, valStep, valLoss }: ReturnType<typeof decodeColumns>,
  samples: RunDetail["samples"],
): Progress {
  const progress = new Progress();
  if (checkpoint === undefined) return progress;
  progress.savedStep = checkpoint;
  for (let i = 0; i < step.length && step[i] < checkpoint; i++) {
    const speed = tokensPerSecond[i];
    progress.add({
      type: "step",
      step: step[i],
      loss: loss[i],
      lr: lr[i],
      norm: norm[i],
      ms: Number.NaN,
      tokensPerSecond: speed,
    });
  }
  for (let i = 0; i < valStep.length && valStep[i] <= checkpoint; i++) progress.addVal(valStep[i], valLoss[i]);
  for (const sample of samples) if (sample.step <= checkpoint) progress.addSample(sample.step, sample.text);
  return progress;
}
