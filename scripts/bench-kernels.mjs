// Kernel microbenchmarks: GFLOP/s of the matmuls, milliseconds of the other kernels. A tool for changes to
// assembly/; `llm-ts bench` measures the program.
//
//   node scripts/bench-kernels.mjs [--threads 1,2] [--tiles 0,1,2] [--only matmul|attention|loss] [--build relaxed-shared]
//                                  [--no-revectorize] [--seconds 0.3]
//
// Each figure is the mean of many repeats within `seconds`, in processor time of the slowest thread. Machines are noisy:
// compare rows of one run.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { gemmCommands } from "../dist/backend/wasm/gemm.js";
import { compile } from "../dist/platform/node-compile.js";

const MiB = 2 ** 20;
const TARGETS = 60 * MiB; // zeros
const PACKED = 50 * MiB;

if (isMainThread) await main();
else work();

async function main() {
  const { values: options } = parseArgs({
    options: {
      threads: { type: "string", default: "1,2" },
      tiles: { type: "string", default: "0,1,2" },
      only: { type: "string", default: "" },
      build: { type: "string", default: "relaxed-shared" },
      kernels: { type: "string", default: new URL("../kernels", import.meta.url).pathname },
      seconds: { type: "string", default: "0.3" },
      "no-revectorize": { type: "boolean", default: false },
    },
  });
  const module = await compile(readFileSync(`${options.kernels}/${options.build}.wasm`), !options["no-revectorize"]);
  if (typeof module === "string") throw new Error(`256-bit vectors: ${module}. Leave them out: --no-revectorize`);
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
  memory.grow((900 * MiB) / 65536);
  new Float32Array(memory.buffer, operand(0)).fill(0.5);

  const list = (text) => text.split(",").map(Number);
  const most = Math.max(...list(options.threads));
  const barrier = new Int32Array(new SharedArrayBuffer(64));
  const workers = Array.from({ length: most }, (_, thread) => {
    return new Worker(new URL(import.meta.url), { workerData: { module, memory, barrier, thread } });
  });
  const seconds = Number(options.seconds);

  /** Milliseconds of one call of `job` on `threads` workers together. */
  const measure = async (job, threads, tile) => {
    Atomics.store(barrier, 0, 0);
    const times = await Promise.all(
      workers.slice(0, threads).map((worker) => {
        return new Promise((resolve) => {
          worker.once("message", resolve);
          worker.postMessage({ ...job, threads, tile, seconds });
        });
      }),
    );
    return Math.max(...times);
  };

  const jobs = allJobs().filter((job) => job.title.includes(options.only));
  for (const tile of list(options.tiles)) {
    for (const threads of list(options.threads)) {
      console.log(`\ntile ${["6x16", "6x8", "4x8"][tile]}, ${threads} thread${threads > 1 ? "s" : ""}`);
      for (const job of jobs) {
        const ms = await measure(job, threads, tile);
        const flops = job.tile === undefined ? job.flops : job.flops * threads; // a bare tile: each thread its own
        const rate = flops ? `${(flops / ms / 1e6).toFixed(1).padStart(8)} GFLOP/s` : "";
        console.log(`${job.title.padEnd(52)} ${ms.toFixed(3).padStart(10)} ms ${rate}`);
      }
    }
  }
  for (const worker of workers) await worker.terminate();
}

/** The region for operands; each thread's scratch memory is below the targets. */
function operand(i) {
  return (64 + 200 * i) * MiB;
}

function allJobs() {
  const jobs = [];
  const [a, b, c, d] = [0, 1, 2, 3].map(operand);
  const add = (title, kernel, args, flops) => jobs.push({ title, commands: [{ kernel, args }], flops });
  const gemm = (title, M, N, K, a, b, accumulate) => {
    const commands = [...gemmCommands({ M, N, K, a, b, c: operand(2), bias: 0, accumulate }, PACKED)];
    jobs.push({ title, commands: commands.map(({ kernel, args }) => ({ kernel, args })), flops: 2 * M * N * K });
  };
  const rows = (address, ld) => ({ address, ld, transposed: false });
  const columns = (address, ld) => ({ address, ld, transposed: true });
  const products = (name, N, C, OC) => {
    gemm(`matmul forward          ${name} ${N}x${OC}x${C}`, N, OC, C, rows(a, C), columns(b, C), false);
    gemm(`matmul backward, input  ${name} ${N}x${C}x${OC}`, N, C, OC, rows(a, OC), rows(b, C), false);
    gemm(`matmul backward, weight ${name} ${OC}x${C}x${N}`, OC, C, N, columns(a, OC), rows(b, C), true);
  };
  for (const [name, tile, size] of [
    ["6x16", 0, 96],
    ["6x8", 1, 48],
    ["4x8", 2, 32],
  ])
    jobs.push({ title: `matmul tile alone, ${name}, k=384`, bare: `tile${name}`, tile, flops: 2 * size * 384 });
  products("d12 qkv ", 256, 768, 2304);
  products("d12 proj", 256, 768, 768);
  products("d12 fc  ", 256, 768, 3072);
  products("d12 down", 256, 3072, 768);
  products("d12 head", 256, 768, 50304);
  products("baby qkv", 768, 128, 384);
  products("baby fc ", 768, 128, 512);
  products("baby down", 768, 512, 128);
  add("matmul forward, decoding one token, 3072x768", "matmulFewRows", [a, b, c, d, 1, 768, 3072], 2 * 768 * 3072);
  for (const [name, B, T, NH, hs] of [
    ["d12", 4, 64, 12, 64],
    ["d12", 1, 1024, 12, 64],
    ["baby", 12, 64, 4, 32],
  ]) {
    const C = NH * hs;
    // Products with half of the scores: 2 forward, 5 backward.
    const flops = 2 * B * NH * ((T * T) / 2) * hs;
    const title = `${name} B=${B} T=${T} NH=${NH} hs=${hs}`;
    add(`attention forward  ${title}`, "attentionForward", [a, b, c, 0, 0, B, T, C, NH, 0, 0], 2 * flops);
    add(`attention backward ${title}`, "attentionBackward", [a, c, b, d, B, T, C, NH], 5 * flops);
  }
  add("attention forward, decoding one token after 512", "attentionForward", [a, 0, b, c, d, 1, 1, 768, 12, 512, 1024]);
  add("loss and gradient, 64x50304", "softmaxLoss", [a, b, TARGETS, 64, 50257, 50304, 1, 1]);
  add("loss and gradient, 768x128", "softmaxLoss", [a, b, TARGETS, 768, 65, 128, 1, 1]);
  return jobs;
}

function work() {
  const { module, memory, barrier, thread } = workerData;
  const { exports: kernels } = new WebAssembly.Instance(module, { env: { memory, abort() {}, sgemm() {} } });
  kernels.setScratch((1 + 16 * thread) * MiB);
  parentPort.on("message", ({ bare, commands, threads, tile, seconds }) => {
    kernels.setTile(tile);
    const once = bare
      ? aloneTile(kernels[bare], thread)
      : () => {
          for (const { kernel, args } of commands) kernels[kernel](thread, threads, ...args);
        };
    const meet = () => {
      Atomics.add(barrier, 0, 1);
      while (Atomics.load(barrier, 0) < threads);
    };
    // Warm up long enough for the optimising compiler, agree on a number of repeats, then measure together.
    const warmUpEnd = performance.now() + 100;
    let calls = 0;
    const start = performance.now();
    while (performance.now() < warmUpEnd) {
      once();
      calls++;
    }
    if (thread === 0)
      Atomics.store(barrier, 1, Math.max(3, Math.ceil((seconds * 1000 * calls) / (performance.now() - start))));
    meet();
    const repeats = Atomics.load(barrier, 1);
    const begin = threadMs();
    for (let i = 0; i < repeats; i++) once();
    parentPort.postMessage((threadMs() - begin) / repeats);
  });
}

/** CPU time of the thread where Node reports it (23.9 and later), so that other programs disturb less. */
function threadMs() {
  if (!process.threadCpuUsage) return performance.now();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** The innermost loop with all its data in cache: the peak that everything else is compared with. */
function aloneTile(kernel, thread) {
  const at = (1 + 16 * thread) * MiB;
  return () => kernel(384, at, at + 32768, at + 65536, 64, at + 65536, 64);
}
