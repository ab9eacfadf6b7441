/** How fast a backend is, and what a training step should take by that. */
import type { Backend } from "../../src/backend/backend.ts";
import { costOf } from "../../src/backend/work.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import { callsOfStep } from "../../src/model/step-calls.ts";
import { withTensors } from "../../src/model/tensor-scope.ts";
import type { Allocator } from "../../src/model/workspace.ts";

export interface Speed {
  /** Floating-point operations a millisecond in matrix products. Their size hardly matters. */
  readonly flops: number;
  /** Bytes a millisecond of what mostly reads and writes memory: in a cache, and beyond it. */
  readonly cached: number;
  readonly memory: number;
}

/** A product of the size that an MLP's has: rows, channels in, channels out. */
const [N, C, OC] = [768, 256, 1024];
/** Floats of arrays that fit a cache, and of arrays that do not. */
const [few, many] = [2 ** 16, 2 ** 22];
/** What an operation on three arrays moves. */
const bytesOf = (floats: number) => 12 * floats;
/** How long one of them is measured. */
const MEASURE_MS = 30;

/**
 * What a step takes beyond the sum of its operations at these speeds: backward products, attention's softmax and waiting
 * for each other. Measured with sizes from `baby` to d12, on one thread and on two, the sum was 0.80 to 0.92 of the steps'
 * real time; two measurements of `baby` that other work seems to have disturbed (0.28, 0.40) do not count.
 */
const BEYOND = 1 / 0.86;

export async function measureSpeed(backend: Backend): Promise<Speed> {
  const matrices = (at: Allocator) => [at.alloc([N, OC]), at.alloc([N, C]), at.alloc([OC, C])];
  const product = await withTensors(backend, matrices, ([out, inp, weight]) =>
    time(backend, () => backend.matmulForward(out, inp, { weight, bias: null })),
  );
  const stream = async (floats: number) => {
    const vectors = (at: Allocator) => [0, 1, 2].map(() => at.alloc([floats]));
    const ms = await withTensors(backend, vectors, ([sum, a, b]) =>
      time(backend, () => backend.residualForward(sum, a, b)),
    );
    return bytesOf(floats) / ms;
  };
  return { flops: (2 * N * C * OC) / product, cached: await stream(few), memory: await stream(many) };
}

/** Milliseconds of one call, in the best of some rounds: others may be using the machine. */
async function time(backend: Backend, call: () => void): Promise<number> {
  const round = async (times: number) => {
    const start = performance.now();
    for (let i = 0; i < times; i++) call();
    await backend.sync();
    return (performance.now() - start) / times;
  };
  // The first call touches memory that was never used.
  await round(1);
  const times = Math.max(1, Math.ceil(MEASURE_MS / 3 / Math.max(0.01, await round(2))));
  return Math.min(await round(times), await round(times), await round(times));
}

/** Milliseconds of a training step: of all its operations, each at the speed of its kind. Right within about 30%. */
export function msPerStep(speed: Speed, config: GPT2Config, B: number, T: number): number {
  const msOf = ({ flops, bytes }: { readonly flops: number; readonly bytes: number }) =>
    Math.max(flops / speed.flops, bytes / (bytes < bytesOf(many) / 4 ? speed.cached : speed.memory));
  return (
    BEYOND *
    callsOfStep(config, B, T)
      .map(costOf)
      .reduce((sum, cost) => sum + msOf(cost), 0)
  );
}
