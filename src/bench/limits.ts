/** Limits of the machine: multiply-adds without memory access, and memory access without arithmetic. */
import type { Backend, ProbeName, Tensor } from "../backend/backend.ts";
import { type Comparison, type Result, repeated } from "./comparison.ts";
import { isFigure, type Limits } from "./report.ts";

/** Floats of each streamed array: 128 MiB, more than a cache holds. */
const ARRAY = 2 ** 25;
/** Rounds of multiply-adds in one call: some milliseconds. */
const ROUNDS = 2 ** 19;
/** Measurements of each limit in a round. */
const TRIES = 5;
/** Floats per thread for the multiply-adds, and the index of the factor and the summand among them. */
const PER_THREAD = 256;
const FACTOR = 128;

/** Floating-point operations of a round: registers of 4 floats, a multiplication and an addition in each. */
const perRound = { benchFma256: 24 * 4 * 2, benchFma128: 12 * 4 * 2 };
/** Bytes moved per float of an array. */
const perFloat = { benchCopy: 8, benchTriad: 12, benchRead: 4 };

/** A backend with probes of its device. */
export type MeasuredBackend = Backend & Required<Pick<Backend, "probe">>;

export function isMeasured(backend: Backend): backend is MeasuredBackend {
  return backend.probe !== undefined;
}

export interface LimitsTrial {
  readonly comparisons: readonly Comparison[];
  /** The limits, from the results of `comparisons` in order. */
  limits(results: readonly Result[]): Limits;
  free(): Promise<void>;
}

export async function limitsTrial(device: MeasuredBackend, minMs: number, arraySize = ARRAY): Promise<LimitsTrial> {
  const { threads } = device;
  const operands = device.alloc([threads * PER_THREAD]);
  const values = new Float32Array(threads * PER_THREAD);
  for (let at = 0; at < values.length; at += PER_THREAD) values.set([0.5, 1], at + FACTOR);
  await device.write(operands, values);
  const arrays = [0, 1, 2].map(() => device.alloc([arraySize]));
  // The system maps memory on the first write.
  for (const array of arrays) device.fill(array, 1);
  await device.sync();

  const probe = (kernel: ProbeName, tensors: readonly Tensor[], n: number): Comparison => {
    const { name, warmUp, measure } = repeated("llm.ts", minMs, async (times) => {
      for (let i = 0; i < times; i++) device.probe(kernel, tensors, n);
      await device.sync();
    });
    return {
      name: `limits, ${device.device}, ${kernel}`,
      runners: [{ name, warmUp, measure: () => bestOf(TRIES, measure) }],
    };
  };
  const [a, b, c] = arrays;
  return {
    comparisons: [
      probe("benchFma256", [operands], ROUNDS),
      probe("benchFma128", [operands], ROUNDS),
      probe("benchCopy", [a, b], arraySize),
      probe("benchTriad", [a, b, c], arraySize),
      probe("benchRead", [operands, a], arraySize),
    ],
    limits(results) {
      const [fma256, fma128, copy, triad, read] = results.map(msOf);
      const gflops = (name: keyof typeof perRound, ms: number) => (perRound[name] * ROUNDS * threads) / ms / 1e6;
      const gigabytes = (name: keyof typeof perFloat, ms: number) => (perFloat[name] * arraySize) / ms / 1e6;
      return {
        threads,
        gflops: Math.max(gflops("benchFma256", fma256), gflops("benchFma128", fma128)),
        copy: gigabytes("benchCopy", copy),
        triad: gigabytes("benchTriad", triad),
        read: gigabytes("benchRead", read),
      };
    },
    async free() {
      for (const tensor of [operands, ...arrays]) await device.free(tensor);
    },
  };
}

async function bestOf(tries: number, measure: () => Promise<number>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries; i++) best = Math.min(best, await measure());
  return best;
}

/** The best round, not the median: a limit is what was reached once. */
function msOf(result: Result): number {
  const figure = result.get("llm.ts");
  return isFigure(figure) ? Math.min(...figure.samples) : Number.NaN;
}

/** Highest memory bandwidth of all access patterns, in GB/s: the one that floors assume. */
export function bandwidth({ copy, triad, read }: Limits): number {
  return Math.max(copy, triad, read);
}

/** Milliseconds of `work` at the limits, with arithmetic and memory access fully overlapped. */
export function floorMs(limits: Limits, { flops, bytes }: { readonly flops: number; readonly bytes: number }): number {
  return Math.max(flops / limits.gflops, bytes / bandwidth(limits)) / 1e6;
}
