/**
 * What a GPU does of what it could: node --conditions=source scripts/measure-gpu.ts [--quick]
 *
 * Its own limits first, by micro-kernels: multiply-adds without memory, a copy without arithmetic, dispatches that do nothing.
 * Then the matmuls of GPT-2 124M with every tile, as shares of the multiply-adds, streams as shares of the copy, and training
 * steps. Needs `npm install webgpu` and an adapter; prints Markdown, for docs/LOG.md. --quick takes small sizes, to try it out.
 */
import { openAdapter } from "../src/backend/webgpu/adapter.ts";
import { WebGpuBackend } from "../src/backend/webgpu/backend.ts";
import { tileNames } from "../src/backend/webgpu/tile-names.ts";
import type { KernelSource } from "../src/backend/webgpu/wgsl/source.ts";
import { makeConfig } from "../src/model/config.ts";
import { accumulateGradients, gradientNorm, update } from "../src/model/gpt2.ts";
import { initialize } from "../src/model/init.ts";
import { usualAdamw } from "../src/model/step-calls.ts";
import { TensorSet } from "../src/model/tensor-set.ts";
import { allocStepWorkspace } from "../src/model/workspace.ts";

const quick = process.argv.includes("--quick");
const seconds = quick ? 0.05 : 0.5;

async function open(tile?: (typeof tileNames)[number]): Promise<WebGpuBackend> {
  return new WebGpuBackend(await openAdapter(), tile);
}

/** Seconds of one call of `work`, of the best of three rounds of so many calls as take a while. */
async function secondsOf(be: WebGpuBackend, work: () => void): Promise<number> {
  const time = async (times: number) => {
    const start = performance.now();
    for (let i = 0; i < times; i++) work();
    await be.sync();
    return (performance.now() - start) / 1000 / times;
  };
  await time(1); // compiles
  const times = Math.max(1, Math.ceil(seconds / (await time(1))));
  return Math.min(await time(times), await time(times), await time(times));
}

/** Three significant digits. */
const digits = (x: number) => (x < 100 ? x.toPrecision(3) : x.toFixed(0));

const ROUNDS = 256;
/** Eight independent vectors a thread, each multiplied and added to 256 times. */
const multiplyAdds: KernelSource = {
  operands: { out: "w4" },
  f32: ["factor"],
  threads: 256,
  body: `let i = group.x * 256u + thread;
var sums = array<vec4<f32>, 8>();
for (var k = 0u; k < 8u; k++) { sums[k] = vec4<f32>(f32(i + k)); }
for (var r = 0u; r < ${ROUNDS}u; r++) {
${Array.from({ length: 8 }, (_, k) => `sums[${k}] = fma(sums[${k}], vec4<f32>(p.factor), vec4<f32>(0.5));`).join("\n")}
}
out[i] = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));`,
};

async function limits(be: WebGpuBackend): Promise<{ gflops: number; gigabytes: number }> {
  const groups = quick ? 8 : 8192;
  const out = be.alloc([groups * 256 * 4]);
  const flops = groups * 256 * ROUNDS * 8 * 4 * 2;
  const dispatch = { key: "multiply-adds", source: () => multiplyAdds, tensors: [out], f32: [0.999], flops };
  const gflops = flops / (await secondsOf(be, () => be.run({ ...dispatch, grid: [groups] }))) / 1e9;
  const n = quick ? 2 ** 16 : 2 ** 26;
  const [a, b] = [be.alloc([n]), be.alloc([n])];
  const gigabytes = (8 * n) / (await secondsOf(be, () => be.residualForward(b, a, a))) / 1e9;
  const small = be.alloc([4]);
  const nothing = await secondsOf(be, () => be.fill(small, 0));
  console.log(
    `multiply-adds ${digits(gflops)} GFLOP/s, copy ${digits(gigabytes)} GB/s, a dispatch ${(nothing * 1e6).toFixed(1)} µs\n`,
  );
  await Promise.all([out, a, b, small].map((tensor) => be.free(tensor)));
  return { gflops, gigabytes };
}

/** Rows, channels in and out: of GPT-2 124M at B=8, T=1024. */
const shapes: readonly (readonly [number, number, number])[] = quick
  ? [[64, 48, 96]]
  : [
      [8192, 768, 2304],
      [8192, 768, 768],
      [8192, 768, 3072],
      [8192, 3072, 768],
      [320, 768, 50_304],
      [1, 768, 50_304],
    ];

async function matmuls(peak: number): Promise<void> {
  console.log(
    `| rows x in x out | form | ${tileNames.join(" | ")} | share |\n| --- | --- |${" ---: |".repeat(tileNames.length + 1)}`,
  );
  const backends = await Promise.all(tileNames.map((tile) => open(tile)));
  for (const [N, C, OC] of shapes) {
    const found: Record<string, number[]> = { forward: [], "input's gradient": [], "weight's gradient": [] };
    for (const be of backends) {
      const [x, w, y] = [be.alloc([N, C]), be.alloc([OC, C]), be.alloc([N, OC])];
      const linear = { weight: w, bias: null };
      const gflops = async (work: () => void) => (2 * N * C * OC) / (await secondsOf(be, work)) / 1e9;
      found.forward.push(await gflops(() => be.matmulForward(y, x, linear)));
      found["input's gradient"].push(await gflops(() => be.matmulBackwardInput(x, y, linear)));
      found["weight's gradient"].push(
        await gflops(() => be.matmulBackwardWeight({ ...linear, accumulate: false }, y, x)),
      );
      await Promise.all([x, w, y].map((tensor) => be.free(tensor)));
    }
    for (const [form, speeds] of Object.entries(found)) {
      const share = Math.max(...speeds) / peak;
      console.log(
        `| ${N} x ${C} x ${OC} | ${form} | ${speeds.map((speed) => digits(speed)).join(" | ")} | ${share.toFixed(2)} |`,
      );
    }
  }
  await Promise.all(backends.map((be) => be.dispose()));
}

async function streams(be: WebGpuBackend, copy: number): Promise<void> {
  const [N, C] = quick ? [64, 48] : [8192, 3072];
  const [x, y, dx, v] = [be.alloc([N, C]), be.alloc([N, C]), be.alloc([N, C]), be.alloc([N, C])];
  const a = { out: y, mean: be.alloc([N]), rstd: be.alloc([N]) };
  const w = { weight: be.alloc([C]), bias: be.alloc([C]) };
  const works: [name: string, tensors: number, work: () => void][] = [
    ["gelu", 2, () => be.geluForward(y, x, "tanh")],
    ["gelu backward", 3, () => be.geluBackward(dx, x, y, "tanh")],
    ["layernorm", 2, () => be.layernormForward(a, x, w, 1e-5)],
    ["adamw", 7, () => be.adamw(x, y, dx, v, usualAdamw)],
    ["norm of the gradients", 1, () => be.sumSquares(a.mean, [x])],
  ];
  console.log("\n| stream | GB/s | share of copy |\n| --- | ---: | ---: |");
  for (const [name, tensors, work] of works) {
    const gigabytes = (4 * tensors * N * C) / (await secondsOf(be, work)) / 1e9;
    console.log(`| ${name} | ${digits(gigabytes)} | ${(gigabytes / copy).toFixed(2)} |`);
  }
}

/** GPT-2 124M from scratch, B=8, T=1024. */
async function training(be: WebGpuBackend): Promise<void> {
  const config = quick
    ? makeConfig({ maxT: 16, V: 65, L: 2, NH: 2, C: 32 })
    : makeConfig({ maxT: 1024, V: 50_257, L: 12, NH: 12, C: 768 });
  const [B, T] = quick ? [2, 16] : [8, 1024];
  const p = { config, weights: new TensorSet(be, config) };
  await initialize(be, p, 42);
  const [grads, m, v] = [0, 1, 2].map(() => new TensorSet(be, config));
  const ws = allocStepWorkspace(be, config, B, T, 1);
  const tokens = Int32Array.from({ length: B * T }, (_, i) => (i * i) % 65);
  const times: number[] = [];
  for (let step = 1; step <= (quick ? 3 : 12); step++) {
    const start = performance.now();
    await be.write(ws.batches[0].tokens, tokens);
    await be.write(ws.batches[0].head.targets, tokens);
    accumulateGradients(be, p, grads, ws);
    gradientNorm(be, grads, ws.shared);
    const [loss] = await be.read(ws.shared.stats);
    update(be, p, { grads, m, v }, { ...usualAdamw, step });
    await be.sync();
    times.push(performance.now() - start);
    if (!Number.isFinite(loss)) throw new Error(`step ${step}: loss ${loss}`);
  }
  const [, ...rest] = times;
  const median = rest.sort((a, b) => a - b)[Math.floor(rest.length / 2)];
  const { dispatches, submits } = be.counts;
  console.log(`
Training B=${B}, T=${T}: first step ${(times[0] / 1000).toFixed(1)} s, then ${median.toFixed(1)} ms, ${Math.round((1000 * B * T) / median)} tokens/s
(${dispatches} dispatches, ${submits} submits in all)`);
}

const adapter = await openAdapter();
console.log(`${adapter.label}, ${adapter.driver}; Node ${process.version}\n`);
adapter.device.destroy();
const backend = await open();
const { gflops, gigabytes } = await limits(backend);
await matmuls(gflops);
await streams(backend, gigabytes);
await training(backend);
await backend.dispose();
