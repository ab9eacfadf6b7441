/** What the machine can do at most: multiply-adds without memory, and memory without arithmetic. */
import type { Backend, ProbeName, Tensor } from "../backend/backend.ts";
import { type Contest, type Result, repeated } from "./contest.ts";
import { isFigure, type Limits } from "./report.ts";

/** Floats of each array that is walked through: 128 MiB, more than a cache holds. */
const ARRAY = 2 ** 25;
/** Rounds of one call of the multiply-adds: some milliseconds. */
const ROUNDS = 2 ** 19;
/** How often each is measured in a round. */
const TRIES = 5;
/** Floats that a thread of them works on, and where it finds the factor and the summand. */
const ZONE = 256;
const FACTOR = 128;

/** Operations of a round: registers of 4 floats, a product and a sum in each. */
const perRound = { benchFma256: 24 * 4 * 2, benchFma128: 12 * 4 * 2 };
/** Bytes a float of an array. */
const perFloat = { benchCopy: 8, benchTriad: 12, benchRead: 4 };

/** A backend that has loops to measure its device with. */
export type MeasuredBackend = Backend & Required<Pick<Backend, "probe">>;

export function isMeasured(backend: Backend): backend is MeasuredBackend {
  return backend.probe !== undefined;
}

export interface LimitsTrial {
  readonly contests: readonly Contest[];
  /** What the results of these contests come to. */
  limits(results: readonly Result[]): Limits;
  free(): Promise<void>;
}

export async function limitsTrial(device: MeasuredBackend, leastMs: number, arraySize = ARRAY): Promise<LimitsTrial> {
  const { threads } = device;
  const zones = device.alloc([threads * ZONE]);
  const values = new Float32Array(threads * ZONE);
  for (let zone = 0; zone < values.length; zone += ZONE) values.set([0.5, 1], zone + FACTOR);
  await device.write(zones, values);
  const arrays = [0, 1, 2].map(() => device.alloc([arraySize]));
  // Memory is given only when it is written to.
  for (const array of arrays) device.fill(array, 1);
  await device.sync();

  const probe = (kernel: ProbeName, tensors: readonly Tensor[], n: number): Contest => {
    const { name, warmUp, measure } = repeated("llm.ts", leastMs, async (times) => {
      for (let i = 0; i < times; i++) device.probe(kernel, tensors, n);
      await device.sync();
    });
    return {
      name: `limits, ${threads === 1 ? "1 thread" : `${threads} threads`}, ${kernel}`,
      contenders: [{ name, warmUp, measure: () => bestOf(TRIES, measure) }],
    };
  };
  const [a, b, c] = arrays;
  return {
    contests: [
      probe("benchFma256", [zones], ROUNDS),
      probe("benchFma128", [zones], ROUNDS),
      probe("benchCopy", [a, b], arraySize),
      probe("benchTriad", [a, b, c], arraySize),
      probe("benchRead", [zones, a], arraySize),
    ],
    limits(results) {
      const [wide, narrow, copy, triad, read] = results.map(msOf);
      const gflops = (name: keyof typeof perRound, ms: number) => (perRound[name] * ROUNDS * threads) / ms / 1e6;
      const gigabytes = (name: keyof typeof perFloat, ms: number) => (perFloat[name] * arraySize) / ms / 1e6;
      return {
        threads,
        gflops: Math.max(gflops("benchFma256", wide), gflops("benchFma128", narrow)),
        copy: gigabytes("benchCopy", copy),
        triad: gigabytes("benchTriad", triad),
        read: gigabytes("benchRead", read),
      };
    },
    async free() {
      for (const tensor of [zones, ...arrays]) await device.free(tensor);
    },
  };
}

async function bestOf(tries: number, measure: () => Promise<number>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries; i++) best = Math.min(best, await measure());
  return best;
}

/** A limit is what was reached once, so here the best round counts, not the median. */
function msOf(result: Result): number {
  const figure = result.get("llm.ts");
  return isFigure(figure) ? Math.min(...figure.samples) : Number.NaN;
}

/** The fastest way through memory, in GB/s: what a floor is computed with. */
export function bandwidth({ copy, triad, read }: Limits): number {
  return Math.max(copy, triad, read);
}

/** What work takes at the limits, when arithmetic and memory overlap as well as they can. */
export function floorMs(limits: Limits, { flops, bytes }: { readonly flops: number; readonly bytes: number }): number {
  return Math.max(flops / limits.gflops, bytes / bandwidth(limits)) / 1e6;
}
