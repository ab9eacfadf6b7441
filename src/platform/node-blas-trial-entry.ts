/**
 * The child process of node-blas-trial.ts: everything that a BLAS may do wrong, and how fast it is. Prints a line of JSON at
 * each stage, and the result.
 */
import { readFileSync, writeSync } from "node:fs";
import { declareSgemm, describeBlas, ILP64, loadBlas, problemOfIntegers, sgemmOver } from "../backend/wasm/blas.ts";
import { problemOfSgemm, timeBlas } from "../backend/wasm/blas-trial.ts";
import { createWith } from "../backend/wasm/create.ts";
import { messageOf } from "../errors.ts";
import type { BlasLine, BlasStage, BlasTask } from "./node-blas-trial.ts";
import { openForeign } from "./node-foreign.ts";
import type { BlasTrial, ForeignLibrary, ForeignLoader } from "./platform.ts";

const { cwd, libraries, threads, revectorize, kernel, timed }: BlasTask = JSON.parse(process.argv[2] ?? "");

/** A library that takes more cores than this for its calls is not on one thread, in spite of being set to it. */
const MOST_CORES = 1.15;
/** Processor time of the calls, in milliseconds: enough of them that a thread waiting for others is seen to. */
const CORES_MS = 150;
/** Threads that a library starts when it is loaded spin for some tens of milliseconds; longer where cores are busy. */
const SPIN_MS = 20;
const MOST_SPINS = 50;

const print = (line: BlasLine) => void writeSync(1, `${JSON.stringify(line)}\n`);
const enter = (stage: BlasStage) => print({ stage });

print({ result: await tryBlas().catch((error: unknown) => messageOf(error)) });
process.exit(); // libraries may keep threads

async function tryBlas(): Promise<BlasTrial | string> {
  const foreign = await openIn(cwd);
  if (typeof foreign === "string") return foreign;
  enter("load");
  const library = loadBlas(foreign, libraries);
  if (typeof library === "string") return library;
  const problem = problemOfIntegers(library) ?? problemOfCalls(foreign, library);
  if (problem !== undefined) return problem;
  return tryInThreads(library.name, describeBlas(library));
}

/** koffi may be installed where the command runs. */
async function openIn(folder: string): Promise<ForeignLoader | string> {
  const here = process.cwd();
  process.chdir(folder);
  try {
    return await openForeign();
  } finally {
    process.chdir(here);
  }
}

function problemOfCalls(foreign: ForeignLoader, library: ForeignLibrary): string | undefined {
  const memory = new WebAssembly.Memory({ initial: 120 });
  enter("call");
  const sgemm = sgemmOver(memory, foreign, library);
  const problem = problemOfSgemm(sgemm, memory);
  if (problem !== undefined) return problem;
  enter("integers");
  if (takesLongIntegers(memory, foreign, library)) return ILP64;
  enter("cores");
  const cores = coresOf(() => sgemm(0, 0, 768, 768, 768, 0, 768, 768 * 768 * 4, 768, 2 * 768 * 768 * 4, 768, 0));
  return cores > MOST_CORES
    ? `one call takes ${cores.toFixed(1)} cores, where each thread of llm-ts needs it to take one: switch its threads off ` +
        "(OPENBLAS_NUM_THREADS=1, BLIS_NUM_THREADS=1, MKL_NUM_THREADS=1, VECLIB_MAXIMUM_THREADS=1)"
    : undefined;
}

/** By integers whose upper halves are junk, which only a library that reads those too minds. */
function takesLongIntegers(memory: WebAssembly.Memory, foreign: ForeignLoader, library: ForeignLibrary): boolean {
  // Apple's arm64 puts 32-bit arguments on the stack without gaps; there is one library with 64 bits there, by other names.
  if (process.platform === "darwin") return false;
  const base = Number(foreign.addressOf(new Uint8Array(memory.buffer)));
  const sgemm = declareSgemm(library, "int64_t") as unknown as (...args: readonly (number | bigint)[]) => void;
  const junk = (n: number) => BigInt(n) + (7n << 32n);
  const numbers = new Float32Array(memory.buffer, 0, 12);
  numbers.set([1, 2, 3, 4, 1, 0, 0, 1, 9, 9, 9, 9]);
  const two = junk(2);
  sgemm(101, 111, 111, two, two, two, 1, base, two, base + 16, two, 0, base + 32, two);
  return numbers.subarray(8).join() !== "1,2,3,4";
}

/** Processor time of all threads while this one calls, relative to that of this thread. */
function coresOf(call: () => void): number {
  call();
  for (let spins = 0; spins < MOST_SPINS && isSpinning(); spins++);
  const [all, own] = [cpuMs(), ownCpuMs()];
  do call();
  while (ownCpuMs() - own < CORES_MS);
  return (cpuMs() - all) / (ownCpuMs() - own);
}

/** True if other threads compute while this one sleeps. */
function isSpinning(): boolean {
  const before = cpuMs();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SPIN_MS);
  return cpuMs() - before > SPIN_MS / 10;
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Of this thread. Node 20 and 22 ask Linux; elsewhere it is the time that passes there, which is more beside other programs. */
function ownCpuMs(): number {
  if (process.threadCpuUsage) {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  }
  try {
    // Zero where the kernel was built without it.
    return Number.parseInt(readFileSync("/proc/thread-self/schedstat", "utf8"), 10) / 1e6 || performance.now();
  } catch {
    return performance.now();
  }
}

/** As it is used: by all threads at once. The kernels' start-up check tells of wrong results. */
async function tryInThreads(library: string, description: string): Promise<BlasTrial> {
  enter("threads");
  const backend = await createWith({ threads, revectorize, kernel }, { name: library, library, description });
  const speed = timed ? await timeBlas(backend) : { ratios: {}, gain: 1 };
  await backend.dispose();
  return { library, description, ...speed };
}
