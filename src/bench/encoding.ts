/** Cost of a training step to the calling thread of a GPU: what it records and submits, and how long that takes. */
import type { GPT2 } from "../api/gpt2.ts";
import type { Precision, QueueDevice } from "../backend/backend.ts";
import { syntheticStep } from "../model/synthetic-step.ts";
import { median } from "./comparison.ts";
import type { Encoding } from "./report.ts";
import type { BatchSize } from "./steps.ts";

/** Timed steps, the counted one among them. */
const STEPS = 5;

/** A first step compiles and binds all kernels; the second one's counts, and the median duration from it on. */
export async function encodingOf(
  name: string,
  device: QueueDevice,
  model: GPT2,
  { B, T }: BatchSize,
  precision: Precision,
): Promise<Encoding> {
  const step = await syntheticStep(model, B, T, precision);
  const times: number[] = [];
  const timed = async () => {
    const start = performance.now();
    step.run();
    device.submit();
    times.push(performance.now() - start);
    await model.backend.sync();
  };
  await timed();
  times.length = 0;
  const before = device.counts;
  await timed();
  const after = device.counts;
  while (times.length < STEPS) await timed();
  await step.free();
  return {
    name,
    ms: median(times),
    dispatches: after.dispatches - before.dispatches,
    submits: after.submits - before.submits,
    pipelines: after.pipelines - before.pipelines,
    bindGroups: after.bindGroups - before.bindGroups,
  };
}
