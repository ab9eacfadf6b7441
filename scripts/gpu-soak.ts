/**
 * 10,000 training steps of a tiny model on a GPU, in either precision: memory must not grow. Prints this process's memory and the
 * backend's own every thousand steps; ends with 1 if the last thousand steps have more than the second.
 *
 *   npm run gpu-soak [-- STEPS]
 */
import { GPT2 } from "../src/api/gpt2.ts";
import { precisions } from "../src/backend/backend.ts";
import { openAdapter } from "../src/backend/webgpu/adapter.ts";
import { WebGpuBackend } from "../src/backend/webgpu/backend.ts";
import { makeConfig } from "../src/model/config.ts";
import { syntheticTokens } from "../src/model/synthetic-step.ts";
import { Trainer } from "../src/train/trainer.ts";

const steps = Number(process.argv[2] ?? 10_000);
const [B, T] = [2, 8];
const config = makeConfig({ maxT: T, V: 64, L: 1, NH: 2, C: 16 });
const every = Math.max(1, Math.round(steps / 10));
/** What a collector may not have taken back yet, in bytes. */
const SLACK = 16 * 2 ** 20;

const backend = new WebGpuBackend(await openAdapter({ fallbackAdapter: true }));
console.log(`${backend.device}; Node ${process.version}; ${steps} steps`);
const tokens = syntheticTokens(B * T + 1, config.V);
const batch = { inputs: tokens.subarray(0, B * T), targets: tokens.subarray(1) };
for (const precision of precisions) {
  const model = await GPT2.create(config, { backend });
  const trainer = new Trainer(model, { precision });
  const resident: number[] = [];
  const own: number[] = [];
  const began = performance.now();
  const loader = { B, T, next: async () => batch, reset() {} };
  for await (const event of trainer.run(loader, { steps, valEvery: 0, sampleEvery: 0 })) {
    if (event.type !== "step" || (event.step + 1) % every !== 0) continue;
    resident.push(process.memoryUsage.rss());
    own.push(backend.memoryUsed);
    const { dispatches, pipelines, bindGroups } = backend.counts;
    console.log(
      `${precision} step ${event.step + 1}: loss ${event.loss.toFixed(4)}, ${(resident.at(-1) ?? 0) >> 20} MiB resident, ` +
        `${backend.memoryUsed} bytes of tensors, ${dispatches} dispatches, ${pipelines} pipelines, ${bindGroups} bind groups`,
    );
  }
  await trainer.dispose();
  await model.dispose();
  const grown = (resident.at(-1) ?? 0) - (resident[1] ?? 0);
  console.log(
    `${precision}: ${(grown / 2 ** 20).toFixed(1)} MiB more after ${((performance.now() - began) / 1000).toFixed(0)} s`,
  );
  if (grown > SLACK || own.at(-1) !== own[0]) process.exitCode = 1;
}
await backend.dispose();
