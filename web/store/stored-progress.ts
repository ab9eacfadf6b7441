/** Curves and samples of a stored run, to be drawn before it is resumed. */
import { decodeColumns } from "../../src/runs/columns.ts";
import { engine } from "../engine/client.ts";
import type { RunDetail } from "../engine/protocol.ts";
import { Progress } from "./progress.ts";

export async function storedProgress(name: string): Promise<Progress> {
  const [columns, detail] = await Promise.all([engine.columns(name), engine.detail(name)]);
  return progressUntil(detail.summary.checkpoint, decodeColumns(columns), detail.samples);
}

/** The run's progress up to its checkpoint; empty without one, since the run starts over then. */
export function progressUntil(
  checkpoint: number | undefined,
  { step, loss, learningRate, norm, tokensPerSecond, valStep, valLoss }: ReturnType<typeof decodeColumns>,
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
      learningRate: learningRate[i],
      norm: norm[i],
      ms: Number.NaN,
      tokensPerSecond: speed,
    });
  }
  for (let i = 0; i < valStep.length && valStep[i] <= checkpoint; i++) progress.addVal(valStep[i], valLoss[i]);
  for (const sample of samples) if (sample.step <= checkpoint) progress.addSample(sample.step, sample.text);
  return progress;
}
