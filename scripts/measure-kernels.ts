// Kernels of two builds in turns on one memory, in one thread: the shortest times, ratios, and whether all bits are the same.
//
//   node --conditions=source scripts/measure-kernels.ts BEFORE.wasm [--after kernels/relaxed-shared.wasm] [--only 'gelu|dw']
//                                                       [--rounds 24] [--no-revectorize]
//
// BEFORE.wasm is kernels/relaxed-shared.wasm of another build, whose exports have the same operands. For changes to assembly/.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { gemmCommands, type Matrix } from "../src/backend/wasm/gemm.ts";
import { exportsOf, importsOf, type KernelExports, type KernelName } from "../src/backend/wasm/kernels.ts";
import { compile } from "../src/platform/node-compile.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    after: { type: "string", default: "kernels/relaxed-shared.wasm" },
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "24" },
    "no-revectorize": { type: "boolean", default: false },
  },
});
const MiB = 2 ** 20;
/** Fewest milliseconds of a sample. */
const SAMPLE_MS = 0.6;
const [a, b, c, d, packed] = [64, 128, 200, 300, 40].map((mib) => mib * MiB);

const memory = new WebAssembly.Memory({ initial: (400 * MiB) / 65536, maximum: 65536, shared: true });
const floats = new Float32Array(memory.buffer);
let state = 1;
for (let i = a / 4; i < floats.length; i++) {
  state = (Math.imul(state, 1103515245) + 12345) | 0;
  floats[i] = state / 2 ** 31;
}

interface Job {
  readonly name: string;
  readonly commands: readonly { readonly kernel: KernelName; readonly args: readonly number[] }[];
  /** Floats of the result, at c. */
  readonly size: number;
}

function jobs(): Job[] {
  const rows = (address: number, ld: number): Matrix => ({ address, ld, transposed: false });
  const columns = (address: number, ld: number): Matrix => ({ address, ld, transposed: true });
  const gemm = (name: string, M: number, N: number, K: number, left: Matrix, right: Matrix): Job => ({
    name,
    commands: [...gemmCommands({ M, N, K, a: left, b: right, c, bias: 0, accumulate: false }, packed)],
    size: M * N,
  });
  const matmuls = [
    [768, 128, 384],
    [768, 128, 128],
    [768, 128, 512],
    [768, 512, 128],
    [256, 768, 2304],
    [256, 768, 768],
    [256, 768, 3072],
    [256, 3072, 768],
  ].flatMap(([N, C, OC]) => [
    gemm(`forward ${N}x${OC}x${C}`, N, OC, C, rows(a, C), columns(b, C)),
    gemm(`backward, input ${N}x${C}x${OC}`, N, C, OC, rows(a, OC), rows(b, C)),
    gemm(`backward, weight ${OC}x${C}x${N}`, OC, C, N, columns(a, OC), rows(b, C)),
  ]);
  const one = (name: string, kernel: KernelName, size: number, args: readonly number[]): Job => ({
    name,
    commands: [{ kernel, args }],
    size,
  });
  const attention = [
    [12, 64, 4, 32],
    [4, 64, 12, 64],
    [1, 256, 12, 64],
  ].flatMap(([B, T, NH, hs]) => {
    const [C, of] = [NH * hs, `B=${B} T=${T} NH=${NH} hs=${hs}`];
    return [
      one(`attention forward ${of}`, "attentionForward", B * T * C, [c, d, a, 0, 0, B, T, C, NH, 0, 0]),
      one(`attention backward ${of}`, "attentionBackward", 3 * B * T * C, [c, b, a, d, B, T, C, NH]),
    ];
  });
  const n = 768 * 512;
  return [
    ...matmuls,
    ...attention,
    one("gelu forward", "geluForward", n, [c, a, n]),
    one("gelu backward", "geluBackward", n, [c, a, b, n]),
    one("gelu (erf) forward", "geluErfForward", n, [c, a, n]),
    one("gelu (erf) backward", "geluErfBackward", n, [c, a, b, n]),
    one("layernorm forward", "layernormForward", 768 * 128, [c, d, d + MiB, a, b, b + MiB, 768, 128, 1e-5]),
  ];
}

async function load(file: string): Promise<KernelExports> {
  const module = await compile(readFileSync(file), !values["no-revectorize"]);
  if (typeof module === "string") throw new Error(`256-bit vectors: ${module}. Leave them out: --no-revectorize`);
  const kernels = exportsOf(new WebAssembly.Instance(module, importsOf(memory)));
  kernels.setScratch(MiB);
  kernels.setTile(0);
  return kernels;
}

function run(kernels: KernelExports, { commands }: Job): void {
  for (const { kernel, args } of commands) kernels[kernel](0, 1, ...args);
}

/** Bits of a job's result, which was 0 before. */
function bitsOf(kernels: KernelExports, job: Job): Int32Array {
  floats.fill(0, c / 4, c / 4 + job.size);
  run(kernels, job);
  return new Int32Array(memory.buffer, c, job.size).slice();
}

/** The shortest of three samples, in milliseconds a run. */
function timeOf(kernels: KernelExports, job: Job, repeats: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let sample = 0; sample < 3; sample++) {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) run(kernels, job);
    best = Math.min(best, (performance.now() - start) / repeats);
  }
  return best;
}

const [before] = positionals;
if (!before) throw new Error("Give kernels/relaxed-shared.wasm of another build.");
const builds = [await load(before), await load(values.after)];
console.log(
  "| kernel | before, ms | after, ms | ratio of the shortest | ratio, median (quartiles) | bits |\n| --- | --- | --- | --- | --- | --- |",
);
for (const job of jobs().filter(({ name }) => new RegExp(values.only).test(name))) {
  const [old, now] = builds.map((kernels) => bitsOf(kernels, job));
  const different = old.reduce((count, bits, i) => count + Number(bits !== now[i]), 0);
  const repeats = Math.max(1, Math.ceil(SAMPLE_MS / timeOf(builds[0], job, 1)));
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < Number(values.rounds); round++)
    for (const which of round % 2 ? [0, 1] : [1, 0]) times[which].push(timeOf(builds[which], job, repeats));
  const [x, y] = times.map((samples) => Math.min(...samples));
  const ratios = times[0].map((ms, round) => times[1][round] / ms).sort((p, q) => p - q);
  const quantile = (q: number) => ratios[Math.round(q * (ratios.length - 1))].toFixed(2);
  console.log(
    `| ${job.name} | ${x.toFixed(3)} | ${y.toFixed(3)} | ${(y / x).toFixed(2)} | ${quantile(0.5)} (${quantile(0.25)} to ` +
      `${quantile(0.75)}) | ${different ? `${different} differ` : "the same"} |`,
  );
}
