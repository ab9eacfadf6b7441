/**
 * The matmuls of GPT-2 124M on a GPU with every tile that the adapter has, in GFLOP/s, and the best as a share of its
 * multiply-adds without memory access:
 *
 *   node --conditions=source scripts/measure-tiles.ts [--quick]
 *
 * Needs `npm install webgpu` and an adapter; prints Markdown, for docs/LOG.md. --quick uses few rows, to try it.
 */
import { openAdapter } from "../src/backend/webgpu/adapter.ts";
import { WebGpuBackend } from "../src/backend/webgpu/backend.ts";
import { allTileNames, isOptional, type TileName } from "../src/backend/webgpu/tile-names.ts";
import { timeTiles } from "../src/backend/webgpu/tile-trial.ts";
import { choiceAsText, forms, sizes } from "../src/backend/webgpu/tiles.ts";
import { runInterleaved } from "../src/bench/comparison.ts";
import { limitsTrial } from "../src/bench/limits.ts";
import { dimensions, type Matmul, matmulsOf, OwnMatmuls, workOf } from "../src/bench/matmuls.ts";
import { isFigure } from "../src/bench/report.ts";
import { messageOf } from "../src/errors.ts";

const quick = process.argv.includes("--quick");
/** B=8, T=1024. */
const matmuls = matmulsOf(quick ? "baby" : "d12", true, quick ? 8 : 8192);
const minMs = quick ? 1 : 50;
const rounds = quick ? 1 : 3;

const open = async (tile?: TileName) => new WebGpuBackend(await openAdapter({}, tile), tile);

async function gflopsOf(backend: WebGpuBackend, some: readonly Matmul[]): Promise<number[]> {
  const own = await OwnMatmuls.create(backend, some);
  const comparisons = some.map((matmul) => ({ name: matmul.name, runners: [own.runner(matmul, minMs)] }));
  const results = await runInterleaved(comparisons, rounds, () => {});
  await own.free();
  return results.map((result, at) => {
    const figure = result.get("llm.ts");
    return isFigure(figure) ? workOf(some[at]).flops / figure.ms / 1e6 : Number.NaN;
  });
}

async function peakOf(backend: WebGpuBackend): Promise<number> {
  const trial = await limitsTrial(backend, minMs);
  const { gflops } = trial.limits(await runInterleaved(trial.comparisons, 1, () => {}));
  await trial.free();
  return gflops;
}

const backend = await open();
const peak = await peakOf(backend);
console.log(
  `${backend.device}, ${backend.adapter.driver}; Node ${process.version}; ${peak.toFixed(1)} GFLOP/s at most\n`,
);
await backend.dispose();

if (!quick) {
  const trial = await open();
  console.log(
    `chosen at the first start (${forms.join(", ")}; ${sizes.join(", ")}): ${choiceAsText(await timeTiles(trial))}\n`,
  );
  await trial.dispose();
}

const measured: TileName[] = [];
const speeds: number[][] = [];
for (const tile of allTileNames) {
  const tiled = await open(tile).catch((error: unknown) => {
    if (!isOptional(tile)) throw error;
    console.log(`${messageOf(error)}\n`);
  });
  if (!tiled) continue;
  measured.push(tile);
  speeds.push(await gflopsOf(tiled, matmuls));
  await tiled.dispose();
}
console.log(`| matmul | ${measured.join(" | ")} | best |\n| --- |${" ---: |".repeat(measured.length + 1)}`);
for (const [at, matmul] of matmuls.entries()) {
  const found = speeds.map((speed) => speed[at]);
  const best = `${Math.round((100 * Math.max(...found)) / peak)}%`;
  const name = `${matmul.name} ${matmul.form} ${dimensions(matmul).join("x")}`;
  console.log(`| ${name} | ${found.map((value) => value.toFixed(1)).join(" | ")} | ${best} |`);
}
