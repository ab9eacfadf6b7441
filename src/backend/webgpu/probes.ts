/** Micro-kernels for the GPU's limits, with their operands. */
import type { Backend, Probe, Probes, Tensor } from "../backend.ts";
import type { OpenAdapter } from "./adapter.ts";
import { type Dispatch, gridOf } from "./dispatch.ts";
import { copySource, FMA_PER_ROUND, fmaSource, nothingSource, readSource, triadSource } from "./wgsl/probes.ts";
import { THREADS } from "./wgsl/snippets.ts";

/** Floats of each streamed array: 128 MiB, more than a cache holds, on software 8 MiB. */
const ARRAY = { gpu: 2 ** 25, software: 2 ** 21 };
/** Workgroups of multiply-adds, and their rounds: 9 GFLOP on a GPU, 0.1 on software. */
const GROUPS = { gpu: 4096, software: 64 };
const ROUNDS = 128;

interface Device extends Pick<Backend, "alloc" | "free" | "fill" | "sync"> {
  readonly adapter: OpenAdapter;
  /** The most bytes of one operand. */
  readonly window: number;
  run(dispatch: Dispatch): void;
  submit(): void;
}

export async function webGpuProbes(device: Device): Promise<Probes> {
  const kind = device.adapter.fallback ? "software" : "gpu";
  const n = Math.min(ARRAY[kind], Math.floor(device.window / 16) * 4);
  const arrays = [0, 1, 2].map(() => device.alloc([n]));
  for (const array of arrays) device.fill(array, 1);
  await device.sync();
  const [a, b, c] = arrays;
  const stream = (limit: "copy" | "triad" | "read", source: Dispatch["source"], tensors: readonly Tensor[]): Probe => ({
    name: limit,
    limit,
    work: 4 * n * (limit === "read" ? 1 : tensors.length),
    run: () =>
      device.run({ key: `probe ${limit}`, source, tensors, u32: [n / 4], grid: gridOf(n / 4, THREADS), flops: 10 * n }),
  });
  const flops = GROUPS[kind] * THREADS * ROUNDS * FMA_PER_ROUND;
  const multiplyAdds: Dispatch = {
    key: "probe fma",
    source: () => fmaSource,
    tensors: [a],
    u32: [ROUNDS],
    f32: [0.5, 1],
    grid: [GROUPS[kind]],
    flops,
  };
  const nothing: Dispatch = {
    key: "probe dispatch",
    source: () => nothingSource,
    tensors: [a],
    u32: [0],
    grid: [1],
    flops: 1,
  };
  return {
    all: [
      { name: "fma", limit: "fma", work: flops, run: () => device.run(multiplyAdds) },
      stream("copy", () => copySource, [a, b]),
      stream("triad", () => triadSource, [a, b, c]),
      stream("read", () => readSource, [a, b]),
      { name: "dispatch", limit: "dispatch", work: 1, run: () => device.run(nothing) },
      {
        name: "submit",
        limit: "submit",
        work: 1,
        run: () => {
          device.run(nothing);
          device.submit();
        },
      },
    ],
    async free() {
      for (const tensor of arrays) await device.free(tensor);
    },
  };
}
