// The system's BLAS beside the kernels, in turns within one process: medians, bests, and the quartiles of the ratios.
//
//   node --conditions=source scripts/measure-blas.ts LIBRARY --threads 2 --rounds 9 products baby d12
//
// LIBRARY: openblas, blis, mkl, a path, … Needs kernels/ (npm run build), and a machine that does nothing else.
import { parseArgs } from "node:util";
import { GPT2 } from "../src/api/gpt2.ts";
import type { WasmBackend } from "../src/backend/wasm/backend.ts";
import { filesOf } from "../src/backend/wasm/blas-names.ts";
import { createWith } from "../src/backend/wasm/create.ts";
import { configOf } from "../src/bench/steps.ts";
import { syntheticStep } from "../src/model/synthetic-step.ts";
import { platform } from "../src/platform/node.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string", default: "2" }, rounds: { type: "string", default: "9" } },
});
const [name = "openblas", ...what] = positionals;
const [threads, rounds] = [Number(values.threads), Number(values.rounds)];

const found = await platform.tryBlas({ libraries: filesOf(name), threads, revectorize: true, timed: false });
if (typeof found === "string") throw new Error(found);
const backend = await createWith({ threads, revectorize: true }, { name, ...found });
console.log(`${found.description}, ${backend.description}, ${rounds} rounds\n`);
console.log("| what | kernels, median (best) | BLAS | times as fast, quartiles |\n| --- | --- | --- | --- |");
if (what.includes("products")) await measureProducts();
for (const model of ["baby", "d12"] as const) if (what.includes(model)) await measureStep(model);
await backend.dispose();
process.exit(); // a library may keep threads

async function measureProducts(): Promise<void> {
  const shapes = [
    [256, 768, 2304],
    [256, 768, 768],
    [256, 3072, 768],
    [256, 768, 50304],
    [768, 128, 384],
    [768, 128, 512],
  ];
  for (const [N, C, OC] of shapes) {
    const [x, y, weight] = [backend.alloc([N, C]), backend.alloc([N, OC]), backend.alloc([OC, C])];
    for (const tensor of [x, y, weight]) backend.fill(tensor, 0.01);
    const w = { weight, bias: null };
    const gflops = (ms: number) => (2 * N * C * OC) / ms / 1e6;
    await compare(`${N} x ${C} x ${OC}, forward, GFLOP/s`, 20, gflops, (be) => be.matmulForward(y, x, w));
    await compare("backward, input", 20, gflops, (be) => be.matmulBackwardInput(x, y, w));
    const accumulate = { ...w, accumulate: true };
    await compare("backward, weight", 20, gflops, (be) => be.matmulBackwardWeight(accumulate, y, x));
    for (const tensor of [x, y, weight]) await backend.free(tensor);
  }
}

async function measureStep(name: "baby" | "d12"): Promise<void> {
  const model = await GPT2.create(configOf(name), { backend });
  const step = await syntheticStep(model, name === "d12" ? 4 : 12, 64);
  await compare(
    `step of ${name}, ms`,
    name === "d12" ? 1 : 300,
    (ms) => ms,
    () => step.run(),
  );
  await step.free();
  await model.dispose();
}

/** Both in turns, the first one first in every other round, each for at least `minMs`. */
async function compare(
  what: string,
  minMs: number,
  unit: (ms: number) => number,
  run: (be: WasmBackend) => void,
): Promise<void> {
  const samples: Record<"kernels" | "blas", number[]> = { kernels: [], blas: [] };
  for (let round = 0; round <= rounds; round++)
    for (const which of round % 2 ? (["kernels", "blas"] as const) : (["blas", "kernels"] as const)) {
      const ms = await msOf(which === "blas", minMs, run);
      if (round > 0) samples[which].push(ms);
    }
  const { kernels, blas } = samples;
  const show = (list: readonly number[]) => `${format(unit(at(list, 0.5)))} (${format(unit(Math.min(...list)))})`;
  const ratios = kernels.map((ms, i) => ms / blas[i]);
  const quartiles = [0.25, 0.75].map((share) => at(ratios, share).toFixed(2));
  console.log(
    `| ${what} | ${show(kernels)} | ${show(blas)} | ${at(ratios, 0.5).toFixed(2)} (${quartiles.join(" to ")}) |`,
  );
}

async function msOf(blas: boolean, minMs: number, run: (be: WasmBackend) => void): Promise<number> {
  backend.useBlas(blas);
  const start = performance.now();
  for (let times = 1; ; times++) {
    run(backend);
    await backend.sync();
    const ms = performance.now() - start;
    if (ms >= minMs) return ms / times;
  }
}

/** The value of which `share` of the list is smaller. */
function at(list: readonly number[], share: number): number {
  return [...list].sort((a, b) => a - b)[Math.floor(share * (list.length - 1) + 0.5)];
}

function format(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0);
}
