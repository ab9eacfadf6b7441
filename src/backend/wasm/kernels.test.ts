// The kernels of assembly/ one by one, called directly: one instance stands for each thread in turn. Every result is
// compared with plain float64 loops; bits must not depend on the number of threads nor on the tile; operands stand at
// the very end of memory in turn (a read past one would trap), between guards (a write past one shows).
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

type Kernel = (...args: number[]) => number | undefined;

const TILES = [0, 1, 2];
const THREADS = [1, 2, 3];
const PAGES = 256;
const GUARD = 12345.678;

function load(name: string) {
  const bytes = readFileSync(new URL(`../../../kernels/${name}.wasm`, import.meta.url));
  if (!WebAssembly.validate(bytes)) return null; // no relaxed SIMD here (Node 20)
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65536 });
  const abort = () => {
    throw new Error("abort");
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory, abort } });
  return { memory, kernels: instance.exports as Record<string, Kernel> };
}

/** Pseudo-random floats in -1 … 1; the same for the same seed. */
function random(size: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

type Operands = Record<string, Float32Array | Int32Array>;

class Machine {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Record<string, Kernel>;
  readonly scratch = 16;

  constructor(loaded: NonNullable<ReturnType<typeof load>>) {
    this.memory = loaded.memory;
    this.kernels = loaded.kernels;
    this.kernels.setScratch?.(this.scratch);
  }

  /**
   * Runs `call` on every thread in turn with the operands in memory, the one called `last` at its very end; gives the
   * operands back as they are then. Checks that nothing around them was written.
   */
  run(
    operands: Operands, last: string, threads: number,
    call: (kernels: Record<string, Kernel>, at: Record<string, number>, thread: number, threads: number) => void,
  ): Operands {
    const names = [...Object.keys(operands).filter((name) => name !== last), last];
    const floats = new Float32Array(this.memory.buffer);
    const at: Record<string, number> = {};
    let end = floats.length;
    for (const name of names.reverse()) {
      const values = operands[name];
      const start = end - values.length;
      at[name] = start * 4;
      const view = values instanceof Float32Array ? floats : new Int32Array(this.memory.buffer);
      view.set(values, start);
      floats.fill(GUARD, start - 5, start);
      end = start - 5;
    }
    expect(end * 4).toBeGreaterThan(this.scratch + (this.kernels.scratchBytes?.(0) ?? 0));
    for (let thread = 0; thread < threads; thread++) call(this.kernels, at, thread, threads);

    const result: Operands = {};
    for (const name of names) {
      const start = at[name] / 4;
      for (let i = start - 5; i < start; i++) expect(floats[i]).toBe(Math.fround(GUARD));
      const view = operands[name] instanceof Float32Array ? floats : new Int32Array(this.memory.buffer);
      result[name] = view.slice(start, start + operands[name].length);
    }
    return result;
  }
}

const machines = ["plain", "relaxed"].map((name) => {
  const loaded = load(name);
  return { name, machine: loaded && new Machine(loaded) };
});

function forEachBuild(title: string, body: (machine: Machine) => void) {
  for (const { name, machine } of machines)
    test.skipIf(machine === null)(`${title} (${name})`, () => body(machine as Machine));
}

/** The largest |actual - expected| / (|expected| + scale). */
function worst(actual: ArrayLike<number>, expected: ArrayLike<number>, scale: number): number {
  expect(actual.length).toBe(expected.length);
  let result = 0;
  for (let i = 0; i < actual.length; i++) {
    const error = Math.abs(actual[i] - expected[i]) / (Math.abs(expected[i]) + scale);
    if (!(error <= result)) result = error;
  }
  return result;
}

/**
 * Runs `call` for every tile, thread count and last operand, checks that `output` has the same bits each time, and
 * gives it.
 */
function outputOf(
  machine: Machine, operands: Operands, outputs: string[],
  call: Parameters<Machine["run"]>[3], tiles = TILES,
): Record<string, Float32Array> {
  let first: Operands | undefined;
  const runs: [number, number, string][] = [];
  for (const tile of tiles) for (const threads of THREADS) runs.push([tile, threads, outputs[0]]);
  for (const last of Object.keys(operands)) for (const tile of tiles) runs.push([tile, 1, last]);
  for (const [tile, threads, last] of runs) {
    machine.kernels.setTile(tile);
    const result = machine.run(operands, last, threads, call);
    first ??= result;
    for (const name of Object.keys(operands)) {
      const expected = outputs.includes(name) ? first[name] : operands[name];
      const same = Buffer.compare(Buffer.from(result[name].buffer), Buffer.from(expected.slice().buffer)) === 0;
      if (!same) throw new Error(`${name} differs: tile ${tile}, ${threads} threads, ${last} last`);
    }
  }
  return first as Record<string, Float32Array>;
}

/** out (M,N) = start + a (M,K) b (K,N), in float64; the operands by functions of their indices. */
function product(
  M: number, N: number, K: number, start: (i: number, j: number) => number,
  a: (i: number, k: number) => number, b: (k: number, j: number) => number,
): Float64Array {
  const out = new Float64Array(M * N);
  for (let i = 0; i < M; i++)
    for (let j = 0; j < N; j++) {
      let sum = start(i, j);
      for (let k = 0; k < K; k++) sum += a(i, k) * b(k, j);
      out[i * N + j] = sum;
    }
  return out;
}

// N, C, OC: decoding, odd sizes, multiples of the tiles, more than one block in each direction.
const SHAPES = [
  [1, 1, 1], [1, 48, 65], [2, 7, 3], [4, 33, 17], [5, 1, 9], [6, 16, 16], [7, 5, 50], [13, 48, 65], [29, 19, 211],
  [64, 64, 64], [66, 385, 19], [255, 30, 21], [12, 20, 193], [11, 800, 30], [1010, 12, 18], [18, 11, 1013],
];

describe("matmul", () => {
  forEachBuild("forward", (machine) => {
    for (const [N, C, OC] of SHAPES) {
      const inp = random(N * C, 1);
      const weight = random(OC * C, 2);
      const bias = random(OC, 3);
      for (const withBias of [true, false]) {
        const { out } = outputOf(
          machine, { out: new Float32Array(N * OC).fill(NaN), inp, weight, bias }, ["out"],
          (kernels, at, thread, threads) =>
            kernels.matmulForward(thread, threads, at.out, at.inp, at.weight, withBias ? at.bias : 0, N, C, OC),
        );
        const expected = product(
          N, OC, C, (_, j) => (withBias ? bias[j] : 0), (i, k) => inp[i * C + k], (k, j) => weight[j * C + k],
        );
        expect(worst(out, expected, Math.sqrt(C))).toBeLessThan(1e-6);
      }
    }
  });

  forEachBuild("backward, input", (machine) => {
    for (const [N, C, OC] of SHAPES) {
      const dout = random(N * OC, 4);
      const weight = random(OC * C, 5);
      const { dinp } = outputOf(
        machine, { dinp: new Float32Array(N * C).fill(NaN), dout, weight }, ["dinp"],
        (kernels, at, thread, threads) =>
          kernels.matmulBackwardInput(thread, threads, at.dinp, at.dout, at.weight, N, C, OC),
      );
      const expected = product(
        N, C, OC, () => 0, (i, k) => dout[i * OC + k], (k, j) => weight[k * C + j],
      );
      expect(worst(dinp, expected, Math.sqrt(OC))).toBeLessThan(1e-6);
    }
  });

  forEachBuild("backward, weight and bias", (machine) => {
    for (const [N, C, OC] of SHAPES) {
      const dout = random(N * OC, 6);
      const inp = random(N * C, 7);
      for (const accumulate of [0, 1]) {
        const dweight = accumulate ? random(OC * C, 8) : new Float32Array(OC * C).fill(NaN);
        const dbias = accumulate ? random(OC, 9) : new Float32Array(OC).fill(NaN);
        const result = outputOf(
          machine, { dweight, dbias, dout, inp }, ["dweight", "dbias"],
          (kernels, at, thread, threads) =>
            kernels.matmulBackwardWeight(
              thread, threads, at.dweight, at.dbias, at.dout, at.inp, N, C, OC, accumulate,
            ),
        );
        const expected = product(
          OC, C, N, (i, j) => (accumulate ? dweight[i * C + j] : 0), (i, k) => dout[k * OC + i], (k, j) => inp[k * C + j],
        );
        expect(worst(result.dweight, expected, Math.sqrt(N))).toBeLessThan(1e-6);
        const sums = product(1, OC, N, (_, j) => (accumulate ? dbias[j] : 0), () => 1, (k, j) => dout[k * OC + j]);
        expect(worst(result.dbias, sums, Math.sqrt(N))).toBeLessThan(1e-6);
      }
    }
  });
});
