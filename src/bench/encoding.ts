/** Cost of a training step to the calling thread of a GPU: what it records and submits, and how long that takes. */
import type { GPT2 } from "../api/gpt2.ts";
import type { WebGpuBackend } from "../backend/webgpu/backend.ts";
import { median } from "./comparison.ts";
import type { Encoding } from "./report.ts";
import { syntheticStep } from "./synthetic-step.ts";

/** Timed steps, the counted one among them. */
const STEPS = 5;

/** A first step compiles and binds all kernels; the second one's counts, and the median duration from it on. */
export async function encodingOf(
  name: string,
  gpu: WebGpuBackend,
  model: GPT2,
  B: number,
  T: number,
): Promise<Encoding> {
  const step = await syntheticStep(model, B, T);
  const times: number[] = [];
  const timed = async () => {
    const start = performance.now();
    step.run();
    gpu.submit();
    times.push(performance.now() - start);
    await gpu.sync();
  };
  await timed();
  times.length = 0;
  const before = gpu.counts;
  await timed();
  const after = gpu.counts;
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
