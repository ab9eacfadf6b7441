/** What is drawn of a run before it goes on: its curves and texts, as storage has them. */
import { decodeColumns } from "../../src/train/read-columns.ts";
import { engine } from "../engine/client.ts";
import { Progress } from "./progress.ts";

export async function pastOf(name: string): Promise<Progress> {
  const [columns, detail] = await Promise.all([engine.columns(name), engine.detail(name)]);
  const { step, loss, lr, norm, tokensPerSecond, valStep, valLoss } = decodeColumns(columns);
  const progress = new Progress();
  const until = detail.summary.checkpoint ?? Number.POSITIVE_INFINITY;
  for (let i = 0; i < step.length && step[i] < until; i++) {
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
  for (let i = 0; i < valStep.length && valStep[i] <= until; i++) progress.addVal(valStep[i], valLoss[i]);
  for (const sample of detail.samples) if (sample.step <= until) progress.addSample(sample.step, sample.text);
  return progress;
}
