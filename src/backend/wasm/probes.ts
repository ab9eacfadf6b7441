/** Micro-kernels for the machine's limits (assembly/bench.ts, fma.mjs), with their operands. */
import type { Backend, Probe, Probes, Tensor } from "../backend.ts";

type ProbeKernel = "benchFma256" | "benchFma128" | "benchCopy" | "benchTriad" | "benchRead";

/** Floats of each streamed array: 128 MiB, more than a cache holds. */
const ARRAY = 2 ** 25;
/** Rounds of multiply-adds in one call: some milliseconds. */
const ROUNDS = 2 ** 19;
/** Floats per thread for the multiply-adds, and the index of the factor and the summand among them. */
const PER_THREAD = 256;
const FACTOR = 128;

/** Floating-point operations of a round: registers of 4 floats, a multiplication and an addition in each. */
const perRound = { benchFma256: 24 * 4 * 2, benchFma128: 12 * 4 * 2 };

type Device = Pick<Backend, "threads" | "alloc" | "free" | "write" | "fill" | "sync">;

export async function wasmProbes(
  device: Device,
  run: (kernel: ProbeKernel, tensors: readonly Tensor[], n: number) => void,
): Promise<Probes> {
  const { threads } = device;
  const operands = device.alloc([threads * PER_THREAD]);
  const values = new Float32Array(threads * PER_THREAD);
  for (let at = 0; at < values.length; at += PER_THREAD) values.set([0.5, 1], at + FACTOR);
  await device.write(operands, values);
  const arrays = [0, 1, 2].map(() => device.alloc([ARRAY]));
  // The system maps memory on the first write.
  for (const array of arrays) device.fill(array, 1);
  await device.sync();
  const multiplyAdds = (name: keyof typeof perRound): Probe => ({
    name,
    limit: "fma",
    work: perRound[name] * ROUNDS * threads,
    run: () => run(name, [operands], ROUNDS),
  });
  const [a, b] = arrays;
  return {
    all: [
      multiplyAdds("benchFma256"),
      multiplyAdds("benchFma128"),
      { name: "benchCopy", limit: "copy", work: 8 * ARRAY, run: () => run("benchCopy", [a, b], ARRAY) },
      { name: "benchTriad", limit: "triad", work: 12 * ARRAY, run: () => run("benchTriad", arrays, ARRAY) },
      { name: "benchRead", limit: "read", work: 4 * ARRAY, run: () => run("benchRead", [operands, a], ARRAY) },
    ],
    async free() {
      for (const tensor of [operands, ...arrays]) await device.free(tensor);
    },
  };
}
