/** Measured speed of a backend, and the expected time of a training step. */
import type { Backend } from "../../src/backend/backend.ts";
import { costOf } from "../../src/backend/work.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import { callsOfStep } from "../../src/model/step-calls.ts";
import { withTensors } from "../../src/model/tensor-scope.ts";
import type { Allocator } from "../../src/model/workspace.ts";

export interface Speed {
  /** Floating-point operations per millisecond in matmuls, whose size hardly matters. */
  readonly flops: number;
  /** Bytes per millisecond of memory-bound operations, inside a cache and beyond it. */
  readonly cached: number;
  readonly memory: number;
  /** Milliseconds of an operation with next to nothing to do: a GPU's dispatch. */
  readonly call: number;
}

/** Shape of a typical matmul of an MLP: rows, input channels, output channels. */
const [N, C, OC] = [768, 256, 1024];
/** Sizes in floats of the smallest arrays, of arrays that fit a cache, and of arrays that do not. */
const [least, few, many] = [16, 2 ** 16, 2 ** 22];
/** Bytes moved by an operation on three arrays. */
const bytesOf = (floats: number) => 12 * floats;
/** Duration of one measurement. */
const MEASURE_MS = 30;

/**
 * Real time of a step relative to the sum of its operations at these speeds; the rest is backward matmuls, attention's
 * softmax and synchronisation. Measured with sizes from `baby` to d12, on one thread and on two, the sum was 0.80 to 0.92
 * of the steps' real time; two measurements of `baby` that other work seems to have disturbed (0.28, 0.40) do not count.
 */
const BEYOND = 1 / 0.86;

export async function measureSpeed(backend: Backend): Promise<Speed> {
  const matrices = (at: Allocator) => [at.alloc([N, OC]), at.alloc([N, C]), at.alloc([OC, C])];
  const matmulMs = await withTensors(backend, matrices, ([out, inp, weight]) =>
    time(backend, () => backend.matmulForward(out, inp, { weight, bias: null })),
  );
  const msOfStream = (floats: number) => {
    const vectors = (at: Allocator) => [0, 1, 2].map(() => at.alloc([floats]));
    return withTensors(backend, vectors, ([sum, a, b]) => time(backend, () => backend.residualForward(sum, a, b)));
  };
  return {
    flops: (2 * N * C * OC) / matmulMs,
    cached: bytesOf(few) / (await msOfStream(few)),
    memory: bytesOf(many) / (await msOfStream(many)),
    call: await msOfStream(least),
  };
}

/** Milliseconds of one call, the best of several rounds: other programs may be using the machine. */
async function time(backend: Backend, call: () => void): Promise<number> {
  const round = async (times: number) => {
    const start = performance.now();
    for (let i = 0; i < times; i++) call();
    await backend.sync();
    return (performance.now() - start) / times;
  };
  // The first call touches fresh memory.
  await round(1);
  const times = Math.max(1, Math.ceil(MEASURE_MS / 3 / Math.max(0.01, await round(2))));
  return Math.min(await round(times), await round(times), await round(times));
}

/** Milliseconds of a training step, estimated from all its operations. Right within about 30%. */
export function msPerStep(speed: Speed, config: GPT2Config, B: number, T: number): number {
  const msOf = ({ flops, bytes }: { readonly flops: number; readonly bytes: number }) =>
    Math.max(speed.call, flops / speed.flops, bytes / (bytes < bytesOf(many) / 4 ? speed.cached : speed.memory));
  return (
    BEYOND *
    callsOfStep(config, B, T)
      .map(costOf)
      .reduce((sum, cost) => sum + msOf(cost), 0)
  );
}
