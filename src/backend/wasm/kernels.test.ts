// The kernels of assembly/ one by one, called directly: one instance computes each part in turn. Every result is
// compared with plain float64 loops; bits must not depend on the number of parts nor on the tile; operands stand at
// the very end of memory in turn (a read past one would trap), between guards (a write past one shows).
import { readFileSync } from "node:fs";
import v8 from "node:v8";
import { describe, expect, test } from "vitest";
import { type Gemm, gemmCommands } from "./gemm.ts";

type Kernel = (...args: number[]) => number | undefined;

const TILES = [0, 1, 2];
const PARTS = [1, 2, 3, 7];
const PAGES = 256;
const GUARD = 12345.678;

function load(name: string) {
  const bytes = readFileSync(new URL(`../../../kernels/${name}.wasm`, import.meta.url));
  if (!WebAssembly.validate(bytes)) v8.setFlagsFromString("--experimental-wasm-relaxed-simd"); // Node 20
  if (!WebAssembly.validate(bytes)) return null;
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65536 });
  const abort = () => {
    throw new Error("abort");
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory, abort, sgemm() {} } });
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

/** Floats of the buffer for the shared operand of a matmul: so few that larger ones take several blocks in both directions. */
const PACKED_FLOATS = 64 * 384;

class Machine {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Record<string, Kernel>;
  readonly scratch = 16;
  readonly packed: number;

  constructor(loaded: NonNullable<ReturnType<typeof load>>) {
    this.memory = loaded.memory;
    this.kernels = loaded.kernels;
    this.kernels.setScratch(this.scratch);
    this.packed = Math.ceil((this.scratch + (this.kernels.scratchBytes(832, 128) as number)) / 64) * 64;
  }

  /**
   * Runs `call` for every part in turn with the operands in memory, the one called `last` at its very end; gives the
   * operands back as they are then. Checks that nothing around them was written.
   */
  run(
    operands: Operands,
    last: string,
    parts: number,
    call: (kernels: Record<string, Kernel>, at: Record<string, number>, part: number, parts: number) => void,
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
    expect(end * 4).toBeGreaterThan(this.packed + 4 * PACKED_FLOATS);
    for (let part = 0; part < parts; part++) call(this.kernels, at, part, parts);

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
 * Runs `call` for every tile, number of parts and last operand, checks that `output` has the same bits each time, and
 * gives it.
 */
function outputOf(
  machine: Machine,
  operands: Operands,
  outputs: string[],
  call: Parameters<Machine["run"]>[3],
  tiles = TILES,
): Record<string, Float32Array> {
  let first: Operands | undefined;
  const runs: [number, number, string][] = [];
  for (const tile of tiles) for (const parts of PARTS) runs.push([tile, parts, outputs[0]]);
  for (const last of Object.keys(operands)) for (const tile of tiles) runs.push([tile, 1, last]);
  for (const [tile, parts, last] of runs) {
    machine.kernels.setTile(tile);
    const result = machine.run(operands, last, parts, call);
    first ??= result;
    for (const name of Object.keys(operands)) {
      const expected = outputs.includes(name) ? first[name] : operands[name];
      const same = Buffer.compare(Buffer.from(result[name].buffer), Buffer.from(expected.slice().buffer)) === 0;
      if (!same) throw new Error(`${name} differs: tile ${tile}, ${parts} parts, ${last} last`);
    }
  }
  return first as Record<string, Float32Array>;
}

/** out (M,N) = start + a (M,K) b (K,N), in float64; the operands by functions of their indices. */
function product(
  M: number,
  N: number,
  K: number,
  start: (i: number, j: number) => number,
  a: (i: number, k: number) => number,
  b: (k: number, j: number) => number,
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
  [1, 1, 1],
  [1, 48, 65],
  [2, 7, 3],
  [4, 33, 17],
  [5, 1, 9],
  [6, 16, 16],
  [7, 5, 50],
  [13, 48, 65],
  [29, 19, 211],
  [64, 64, 64],
  [66, 385, 19],
  [255, 30, 21],
  [12, 20, 193],
  [11, 800, 30],
  [1010, 12, 18],
  [18, 11, 1013],
  [70, 801, 90],
];

/** All parts of each command of a matmul before those of the next. */
function gemm(machine: Machine, parts: number, gemm: Gemm): void {
  for (const { kernel, args } of gemmCommands(gemm, machine.packed, PACKED_FLOATS))
    for (let part = 0; part < parts; part++) machine.kernels[kernel](part, parts, ...args);
}

describe("matmul", () => {
  forEachBuild("forward", (machine) => {
    for (const [N, C, OC] of SHAPES) {
      const inp = random(N * C, 1);
      const weight = random(OC * C, 2);
      const bias = random(OC, 3);
      for (const withBias of [true, false]) {
        const { out } = outputOf(
          machine,
          { out: new Float32Array(N * OC).fill(NaN), inp, weight, bias },
          ["out"],
          (kernels, at, part, parts) => {
            const bias = withBias ? at.bias : 0;
            if (N <= (kernels.fewRows() as number))
              kernels.matmulFewRows(part, parts, at.out, at.inp, at.weight, bias, N, C, OC);
            else if (part === 0)
              gemm(machine, parts, {
                ...{ M: N, N: OC, K: C },
                a: { address: at.inp, ld: C, transposed: false },
                b: { address: at.weight, ld: C, transposed: true },
                ...{ c: at.out, bias, accumulate: false },
              });
          },
        );
        const expected = product(
          N,
          OC,
          C,
          (_, j) => (withBias ? bias[j] : 0),
          (i, k) => inp[i * C + k],
          (k, j) => weight[j * C + k],
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
        machine,
        { dinp: new Float32Array(N * C).fill(NaN), dout, weight },
        ["dinp"],
        (_, at, part, parts) => {
          if (part > 0) return;
          gemm(machine, parts, {
            ...{ M: N, N: C, K: OC },
            a: { address: at.dout, ld: OC, transposed: false },
            b: { address: at.weight, ld: C, transposed: false },
            ...{ c: at.dinp, bias: 0, accumulate: false },
          });
        },
      );
      const expected = product(
        N,
        C,
        OC,
        () => 0,
        (i, k) => dout[i * OC + k],
        (k, j) => weight[k * C + j],
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
          machine,
          { dweight, dbias, dout, inp },
          ["dweight", "dbias"],
          (kernels, at, part, parts) => {
            kernels.sumRows(part, parts, at.dbias, at.dout, N, OC, accumulate);
            if (part > 0) return;
            gemm(machine, parts, {
              ...{ M: OC, N: C, K: N },
              a: { address: at.dout, ld: OC, transposed: true },
              b: { address: at.inp, ld: C, transposed: false },
              ...{ c: at.dweight, bias: 0, accumulate: accumulate === 1 },
            });
          },
        );
        const expected = product(
          OC,
          C,
          N,
          (i, j) => (accumulate ? dweight[i * C + j] : 0),
          (i, k) => dout[k * OC + i],
          (k, j) => inp[k * C + j],
        );
        expect(worst(result.dweight, expected, Math.sqrt(N))).toBeLessThan(1e-6);
        const sums = product(
          1,
          OC,
          N,
          (_, j) => (accumulate ? dbias[j] : 0),
          () => 1,
          (k, j) => dout[k * OC + j],
        );
        expect(worst(result.dbias, sums, Math.sqrt(N))).toBeLessThan(1e-6);
      }
    }
  });
});

/** Attention in float64. keys and values hold the `past` positions before; there is a gradient only without them. */
function attentionReference(
  qkv: Float32Array,
  B: number,
  T: number,
  C: number,
  NH: number,
  past: number,
  keys: Float32Array,
  values: Float32Array,
  dout: Float32Array,
) {
  const hs = C / NH;
  const total = past + T;
  const scale = 1 / Math.sqrt(hs);
  const out = new Float64Array(B * T * C);
  const saved = new Float64Array(B * NH * T * 2);
  const dqkv = new Float64Array(B * T * 3 * C);
  for (let b = 0; b < B; b++)
    for (let h = 0; h < NH; h++) {
      const at = (t: number, part: number, i: number) => (b * T + t) * 3 * C + part * C + h * hs + i;
      const row = (t: number, i: number) => (b * T + t) * C + h * hs + i;
      const old = (s: number, i: number) => (b * past + s) * C + h * hs + i;
      const k = (s: number, i: number) => (s < past ? keys[old(s, i)] : qkv[at(s - past, 1, i)]);
      const v = (s: number, i: number) => (s < past ? values[old(s, i)] : qkv[at(s - past, 2, i)]);
      for (let t = 0; t < T; t++) {
        const seen = past + t + 1;
        const p = new Float64Array(total);
        for (let s = 0; s < seen; s++) for (let i = 0; i < hs; i++) p[s] += scale * qkv[at(t, 0, i)] * k(s, i);
        const most = Math.max(...p.subarray(0, seen));
        let sum = 0;
        for (let s = 0; s < seen; s++) sum += Math.exp(p[s] - most);
        saved.set([most / scale, 1 / sum], ((b * NH + h) * T + t) * 2);
        for (let s = 0; s < seen; s++) {
          p[s] = Math.exp(p[s] - most) / sum;
          for (let i = 0; i < hs; i++) out[row(t, i)] += p[s] * v(s, i);
        }
        if (past) continue; // no backward through a cache
        let D = 0;
        for (let i = 0; i < hs; i++) D += dout[row(t, i)] * out[row(t, i)];
        for (let s = 0; s < seen; s++) {
          let dp = 0;
          for (let i = 0; i < hs; i++) dp += dout[row(t, i)] * v(s, i);
          const ds = p[s] * (dp - D) * scale;
          for (let i = 0; i < hs; i++) {
            dqkv[at(t, 0, i)] += ds * k(s, i);
            dqkv[at(s, 1, i)] += ds * qkv[at(t, 0, i)];
            dqkv[at(s, 2, i)] += p[s] * dout[row(t, i)];
          }
        }
      }
    }
  return { out, saved, dqkv };
}

describe("attention", () => {
  // B, T, NH, hs: one row, few rows (dot products), one block, several, a last block of one row, sums in several blocks of
  // terms, heads longer than such a block.
  const shapes = [
    [1, 1, 1, 1],
    [2, 3, 3, 1],
    [1, 4, 2, 3],
    [2, 5, 1, 8],
    [5, 29, 3, 16],
    [1, 48, 2, 20],
    [3, 49, 1, 48],
    [2, 64, 4, 32],
    [1, 64, 3, 64],
    [1, 101, 2, 7],
    [1, 801, 1, 5],
    [1, 7, 1, 401],
  ];

  forEachBuild("forward and backward", (machine) => {
    for (const [B, T, NH, hs] of shapes) {
      const C = NH * hs;
      const qkv = random(B * T * 3 * C, 10).map((x) => 3 * x);
      const dout = random(B * T * C, 11);
      const none = new Float32Array(0);
      const expected = attentionReference(qkv, B, T, C, NH, 0, none, none, dout);
      const behind = new Float32Array(
        machine.memory.buffer,
        machine.scratch + (machine.kernels.scratchBytes(T, hs) as number),
        16,
      );
      behind.fill(GUARD);

      const nan = (size: number) => new Float32Array(size).fill(NaN);
      const forward = outputOf(
        machine,
        { out: nan(B * T * C), saved: nan(B * NH * T * 2), qkv },
        ["out", "saved"],
        (kernels, at, part, parts) =>
          kernels.attentionForward(part, parts, at.out, at.saved, at.qkv, 0, 0, B, T, C, NH, 0, 0),
      );
      expect(worst(forward.out, expected.out, 1)).toBeLessThan(3e-6);
      expect(worst(forward.saved, expected.saved, 1)).toBeLessThan(3e-6);

      const backward = outputOf(
        machine,
        { dqkv: nan(B * T * 3 * C), dout, qkv, saved: forward.saved },
        ["dqkv"],
        (kernels, at, part, parts) =>
          kernels.attentionBackward(part, parts, at.dqkv, at.dout, at.qkv, at.saved, B, T, C, NH),
      );
      const largest = expected.dqkv.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      expect(worst(backward.dqkv, expected.dqkv, largest)).toBeLessThan(3e-6);
      expect([...new Set(behind)]).toEqual([Math.fround(GUARD)]);
    }
  });

  /** out and dqkv of one head of four channels, whose scale is exactly 1/2. */
  function attend(machine: Machine, qkv: Float32Array, dout: Float32Array) {
    const [T, C] = [dout.length / 4, 4];
    const operands = { out: new Float32Array(T * C), saved: new Float32Array(2 * T), qkv };
    const { out, saved } = machine.run(operands, "qkv", 1, (kernels, at) =>
      kernels.attentionForward(0, 1, at.out, at.saved, at.qkv, 0, 0, 1, T, C, 1, 0, 0),
    );
    const { dqkv } = machine.run({ dqkv: new Float32Array(T * 3 * C), dout, qkv, saved }, "qkv", 1, (kernels, at) =>
      kernels.attentionBackward(0, 1, at.dqkv, at.dout, at.qkv, at.saved, 1, T, C, 1),
    );
    return { out: out as Float32Array, dqkv: dqkv as Float32Array };
  }

  /** qkv (T, 12) of queries and keys by position, and random values. */
  function queriesAndKeys(T: number, query: (t: number) => number[], key: (t: number) => number[]): Float32Array {
    const qkv = random(T * 12, 21);
    for (let t = 0; t < T; t++) qkv.set([...query(t), ...key(t)], 12 * t);
    return qkv;
  }

  forEachBuild("backward of a single key passes dout to its value, whatever the score", (machine) => {
    for (const score of [1, 1e5, 1e7, 1e9, 1e20, 1e38]) {
      const side = Math.sqrt(2 * score);
      const qkv = Float32Array.of(side, 0, 0, 0, side, 0, 0, 0, 1, 2, 3, 4);
      const { dqkv } = attend(machine, qkv, new Float32Array(4).fill(1));
      expect([...dqkv.subarray(8)]).toEqual([1, 1, 1, 1]);
    }
  });

  forEachBuild("forward and backward where scores are large and exact", (machine) => {
    for (const T of [3, 9, 40]) {
      const dout = random(T * 4, 22);
      const none = new Float32Array(0);
      for (const side of [2 ** 4, 2 ** 8, 2 ** 11]) {
        // Scores of side²/2 + t mod 5, all of them floats: what is left is the softmax's own rounding.
        const qkv = queriesAndKeys(
          T,
          () => [side, 1, 0, 0],
          (t) => [side, 2 * (t % 5), 0, 0],
        );
        const expected = attentionReference(qkv, 1, T, 4, 1, 0, none, none, dout);
        const { out, dqkv } = attend(machine, qkv, dout);
        expect(worst(out, expected.out, 1)).toBeLessThan(1e-6);
        const largest = expected.dqkv.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        expect(worst(dqkv, expected.dqkv, largest)).toBeLessThan(1e-6);
        const values = Array.from({ length: T * 4 }, (_, i) => 12 * Math.floor(i / 4) + 8 + (i % 4));
        const [dv, dvExpected] = [dqkv, expected.dqkv].map((all) => values.map((at) => all[at]));
        expect(worst(dv, dvExpected, 1)).toBeLessThan(1e-6);
      }
    }
  });

  forEachBuild("a score beyond f32 gives what is not finite, below it as well", (machine) => {
    for (const T of [2, 9]) {
      for (const key of [3e20, -3e20]) {
        const qkv = queriesAndKeys(
          T,
          () => [3e20, 0, 0, 0],
          (t) => [t === 1 ? key : 0, 0, 0, 0],
        );
        const { out, dqkv } = attend(machine, qkv, new Float32Array(4 * T).fill(1));
        expect(out.subarray(4).some(Number.isFinite)).toBe(false);
        expect(Number.isFinite(dqkv[12])).toBe(false);
      }
    }
  });

  forEachBuild("forward with a cache", (machine) => {
    for (const [B, T, NH, hs, past] of [
      [1, 1, 2, 16, 5],
      [2, 1, 3, 5, 30],
      [2, 3, 2, 8, 7],
      [3, 5, 2, 12, 1],
      [1, 50, 2, 9, 13],
      [2, 9, 1, 64, 0],
      [1, 6, 1, 3, 790],
    ]) {
      const C = NH * hs;
      const S = past + T + 2;
      const qkv = random(B * T * 3 * C, 12);
      const oldKeys = random(B * past * C, 13);
      const oldValues = random(B * past * C, 14);
      const spread = (old: Float32Array) => {
        const cache = new Float32Array(B * S * C).fill(NaN);
        for (let b = 0; b < B; b++) cache.set(old.subarray(b * past * C, (b + 1) * past * C), b * S * C);
        return cache;
      };
      const unused = new Float32Array(B * T * C);
      const expected = attentionReference(qkv, B, T, C, NH, past, oldKeys, oldValues, unused);
      const { out, keys, values } = outputOf(
        machine,
        { out: new Float32Array(B * T * C).fill(NaN), qkv, keys: spread(oldKeys), values: spread(oldValues) },
        ["out", "keys", "values"],
        (kernels, at, part, parts) =>
          kernels.attentionForward(part, parts, at.out, 0, at.qkv, at.keys, at.values, B, T, C, NH, past, S),
      );
      expect(worst(out, expected.out, 1)).toBeLessThan(3e-6);
      for (let b = 0; b < B; b++)
        for (let t = 0; t < T; t++)
          for (let c = 0; c < C; c++) {
            const at = (b * S + past + t) * C + c;
            expect(keys[at]).toBe(qkv[(b * T + t) * 3 * C + C + c]);
            expect(values[at]).toBe(qkv[(b * T + t) * 3 * C + 2 * C + c]);
          }
    }
  });
});

describe("softmax and cross-entropy", () => {
  forEachBuild("losses and gradient", (machine) => {
    for (const [rows, V, Vp] of [
      [1, 1, 1],
      [2, 3, 3],
      [5, 65, 128],
      [7, 50, 50],
      [3, 211, 213],
      [4, 1003, 1024],
    ]) {
      const logits = random(rows * Vp, 15).map((x) => 20 * x);
      const targets = Int32Array.from({ length: rows }, (_, i) => (i * 37 + V - 1) % V);
      const scale = 1 / 6;
      const losses = new Float64Array(rows);
      const gradient = new Float64Array(rows * Vp);
      for (let i = 0; i < rows; i++) {
        const x = logits.subarray(i * Vp, i * Vp + V);
        const most = Math.max(...x);
        const sum = x.reduce((total, value) => total + Math.exp(value - most), 0);
        losses[i] = Math.log(sum) + most - x[targets[i]];
        for (let j = 0; j < V; j++)
          gradient[i * Vp + j] = (Math.exp(x[j] - most) / sum - (j === targets[i] ? 1 : 0)) * scale;
      }
      for (const writeGrad of [0, 1]) {
        const result = outputOf(
          machine,
          { losses: new Float32Array(rows).fill(NaN), logits, targets },
          writeGrad ? ["losses", "logits"] : ["losses"],
          (kernels, at, part, parts) =>
            kernels.softmaxLoss(part, parts, at.losses, at.logits, at.targets, rows, V, Vp, scale, writeGrad),
        );
        expect(worst(result.losses, losses, 1)).toBeLessThan(1e-6);
        if (writeGrad) expect(worst(result.logits, gradient, 1)).toBeLessThan(2e-7);
      }
    }
  });

  forEachBuild("losses over GPT-2's vocabulary, of which none is lost in a long sum", (machine) => {
    const [rows, V, Vp] = [24, 50257, 50304];
    // From flat rows to steep ones, whose many small exponentials are a tail that together counts.
    const logits = random(rows * Vp, 21).map((x, i) => x * (1 + Math.floor(i / Vp)) * 0.6);
    const targets = Int32Array.from({ length: rows }, (_, i) => i * 2003);
    // One logit far above the others: at 15 nats each of them is below half a unit in the last place of the sum.
    for (let i = 0; i < rows; i += 3) logits.fill(-15 - 0.1 * i, i * Vp, i * Vp + V).fill(0, i * Vp, i * Vp + 1);
    const expected = Float64Array.from(targets, (target, i) => {
      const x = logits.subarray(i * Vp, i * Vp + V);
      const most = x.reduce((a, b) => Math.max(a, b));
      return Math.log(x.reduce((sum, value) => sum + Math.exp(value - most), 0)) + most - x[target];
    });
    for (const writeGrad of [0, 1]) {
      const { losses } = machine.run({ losses: new Float32Array(rows), logits, targets }, "losses", 1, (kernels, at) =>
        kernels.softmaxLoss(0, 1, at.losses, at.logits, at.targets, rows, V, Vp, 1, writeGrad),
      );
      const errors = Array.from(losses, (loss, i) => loss - expected[i]);
      expect(Math.abs(errors.reduce((a, b) => a + b) / rows)).toBeLessThan(1e-6);
      // Rounding to float32 is half of 2^-19 at most for losses below 32; the sum's own part is below 1e-6.
      for (const error of errors) expect(Math.abs(error)).toBeLessThan(2e-6);
    }
  });

  forEachBuild("a logit that is not finite gives a loss that is not", (machine) => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const at of [3, 64]) {
        const logits = random(65, 16);
        logits[at] = bad;
        const { losses } = machine.run(
          { losses: new Float32Array(1), logits, targets: new Int32Array(1) },
          "logits",
          1,
          (kernels, at) => kernels.softmaxLoss(0, 1, at.losses, at.logits, at.targets, 1, 65, 65, 1, 1),
        );
        expect(Number.isFinite(losses[0])).toBe(false);
      }
    }
  });
});

describe("what overflows is not finite", () => {
  forEachBuild("layernorm, where the variance or the mean does", (machine) => {
    for (const C of [2, 7, 48]) {
      for (const [size, finite] of [
        [1e18, true],
        [3e19, false],
        [3e38, false],
      ] as const) {
        const inp = Float32Array.from({ length: C }, (_, i) => (i % 2 === 0 ? size : -size));
        const operands = { out: new Float32Array(C), mean: new Float32Array(1), rstd: new Float32Array(1), inp };
        const parameters = { weight: new Float32Array(C).fill(1), bias: new Float32Array(C).fill(0.5) };
        const { out } = machine.run({ ...operands, ...parameters }, "inp", 1, (kernels, at) =>
          kernels.layernormForward(0, 1, at.out, at.mean, at.rstd, at.inp, at.weight, at.bias, 1, C, 1e-5),
        );
        expect(out.every(Number.isFinite)).toBe(finite);
        expect(out.some(Number.isFinite)).toBe(finite);
      }
    }
  });

  forEachBuild("adamw, where the square of a gradient does", (machine) => {
    for (const n of [1, 3, 40]) {
      const grad = new Float32Array(n).fill(1e21);
      const zeros = () => new Float32Array(n);
      const { param } = machine.run(
        { param: zeros().fill(1), grad, m: zeros(), v: zeros() },
        "grad",
        1,
        (kernels, at) => kernels.adamw(0, 1, at.param, at.grad, at.m, at.v, n, 1, 0.1, 0.999, 0.001, 1, 30, 1e-8, 1e-3),
      );
      expect(param.some(Number.isFinite)).toBe(false);
    }
  });
});
