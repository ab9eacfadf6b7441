// Every operation of the wasm backend against the reference backend, over odd shapes: in both builds (relaxed and plain
// SIMD), with 1, 2 and 3 threads and with none, with every tile size, and with tensors at unaligned places.
//
// - Against the reference: within a tolerance that follows from the arithmetic (see `sums`).
// - Among themselves all runs of a build, whatever threads, tile and memory: the same bits.
// - Around each tensor stand guards, which nothing may overwrite.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Backend, type DType, type Tensor, view } from "./backend.ts";
import { createReferenceBackend } from "./reference/reference.ts";
import { createWasmBackend } from "./wasm/create.ts";

const GUARD = 123456;
const MARGIN = 5; // odd, so that a tensor's address is divisible by 4 only

/** Makes one case's tensors in one backend; the same numbers in each. */
class Desk {
  readonly backend: Backend;
  private seed = 1;
  private readonly placed: { whole: Tensor; size: number }[] = [];

  constructor(backend: Backend) {
    this.backend = backend;
  }

  /** Numbers in -1 … 1. */
  async random(...shape: number[]): Promise<Tensor> {
    return this.place(shape, () => this.next() * 2 - 1);
  }

  /** What must be overwritten. */
  async junk(...shape: number[]): Promise<Tensor> {
    return this.place(shape, () => 99);
  }

  /** Integers in 0 … below - 1. */
  async ids(below: number, ...shape: number[]): Promise<Tensor> {
    return this.place(shape, () => Math.floor(this.next() * below), "i32");
  }

  async checkGuards(): Promise<void> {
    for (const { whole, size } of this.placed) {
      const all = await this.backend.read({ ...whole, dtype: "f32" });
      const guard = whole.dtype === "i32" ? new Float32Array(Int32Array.of(GUARD).buffer)[0] : GUARD;
      expect([...all.subarray(0, MARGIN), ...all.subarray(MARGIN + size)]).toEqual(Array(2 * MARGIN).fill(guard));
      await this.backend.free(whole);
    }
  }

  private async place(shape: number[], value: () => number, dtype: DType = "f32"): Promise<Tensor> {
    const size = shape.reduce((a, b) => a * b, 1);
    const whole = this.backend.alloc([size + 2 * MARGIN], dtype);
    const numbers = Float32Array.from({ length: whole.size }, (_, i) =>
      i < MARGIN || i >= MARGIN + size ? GUARD : value(),
    );
    await this.backend.write(whole, dtype === "i32" ? Int32Array.from(numbers) : numbers);
    this.placed.push({ whole, size });
    return view(whole, MARGIN, shape);
  }

  private next(): number {
    this.seed = (Math.imul(this.seed, 1664525) + 1013904223) >>> 0;
    return this.seed / 2 ** 32;
  }
}

type Outputs = Record<string, Tensor>;

const variants = [
  { threads: 1, shared: true, tile: "6x16" },
  { threads: 2, shared: true, tile: "6x8" },
  { threads: 2, shared: true, tile: "4x8" }, // a second run with as many threads
  { threads: 3, shared: true, tile: "4x8" },
  { threads: 1, shared: false, tile: "6x8" },
] as const;

const reference = createReferenceBackend();
const builds: { build: "relaxed" | "plain"; backends: Backend[] }[] = [];

beforeAll(async () => {
  for (const build of ["relaxed", "plain"] as const) {
    const start = ({ tile, ...options }: (typeof variants)[number]) =>
      createWasmBackend({ ...options, kernel: `${build}-${tile}` });
    builds.push({ build, backends: await Promise.all(variants.map(start)) });
  }
}, 60_000);

afterAll(async () => {
  for (const { backends } of builds) await Promise.all(backends.map((backend) => backend.dispose()));
});

async function outputsOf(backend: Backend, body: (desk: Desk, be: Backend) => Promise<Outputs>) {
  const desk = new Desk(backend);
  const outputs: Record<string, Float32Array> = {};
  for (const [name, tensor] of Object.entries(await body(desk, backend))) outputs[name] = await backend.read(tensor);
  await desk.checkGuards();
  return outputs;
}

/** Runs `body` everywhere; `tolerance` is for a number of size 1 and grows with larger ones. */
function operation(name: string, tolerance: number, body: (desk: Desk, be: Backend) => Promise<Outputs>): void {
  test(name, async () => {
    const expected = await outputsOf(reference, body);
    for (const { build, backends } of builds) {
      const [first, ...others] = await Promise.all(backends.map((backend) => outputsOf(backend, body)));
      for (const key of Object.keys(expected)) {
        const where = `${key}, ${build}`;
        const worst = expected[key].reduce((most, value, i) => {
          const error = Math.abs(first[key][i] - value) / (1 + Math.abs(value));
          return Math.max(most, error); // NaN if either is
        }, 0);
        expect(worst, where).toBeLessThanOrEqual(tolerance);
        for (const other of others) expect(Buffer.from(other[key].buffer).equals(bytes(first[key])), where).toBe(true);
      }
    }
  });
}

function bytes(numbers: Float32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/** Half the distance from 1 to the next float: what one rounding may lose, relative to its result. */
const ROUNDING = 2 ** -24;

/**
 * The tolerance for a sum of n products of numbers in -1 … 1. Its partial sums are about sqrt(n) / 3 in size and each
 * is rounded; the roundings add up like a random walk of n steps, to about n / 3 of them. Three times that, and a few
 * for what is computed from the sum.
 */
function sums(n: number): number {
  return (n + 8) * ROUNDING;
}

/**
 * Elementwise operations: a handful of roundings. The worst is GELU's derivative near 4, where 1 - sigmoid is left with
 * one rounding of 1, and is then multiplied by 20.
 */
const FEW = 32 * ROUNDING;

describe("elementwise", () => {
  for (const n of [1, 2, 3, 4, 47, 4096, 10_001]) {
    operation(`fill, ${n}`, 0, async (desk, be) => {
      const [out, zero] = [await desk.junk(n), await desk.junk(n)];
      be.fill(out, 0.1);
      be.fill(zero, 0);
      return { out, zero };
    });
    operation(`residualForward, ${n}, out apart and out = a`, 0, async (desk, be) => {
      const [out, a, b] = [await desk.junk(n), await desk.random(n), await desk.random(n)];
      be.residualForward(out, a, b);
      be.residualForward(a, a, b);
      return { out, a };
    });
    for (const form of ["tanh", "erf"] as const)
      operation(`gelu (${form}), ${n}, forward and backward, apart and in place`, FEW, async (desk, be) => {
        const [out, inp, dout, dinp] = [
          await desk.junk(n),
          await desk.random(n),
          await desk.random(n),
          await desk.junk(n),
        ];
        for (let i = 0; i < 4; i++) be.residualForward(inp, inp, inp); // to -16 … 16
        be.geluForward(out, inp, form);
        be.geluBackward(dinp, inp, dout, form);
        be.geluBackward(dout, inp, dout, form);
        be.geluForward(inp, inp, form);
        return { out, dinp, dout, inp };
      });
    // An update is learningRate times a number of size 1, so that an error of a ten-thousandth in it would show.
    operation(`adamw, ${n}, three steps`, FEW, async (desk, be) => {
      const [param, grad, m, v] = [await desk.random(n), await desk.random(n), await desk.junk(n), await desk.junk(n)];
      be.fill(m, 0);
      be.fill(v, 0);
      for (let step = 1; step <= 3; step++) {
        const rates = { learningRate: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 };
        be.adamw(param, grad, m, v, { ...rates, gradScale: 0.7, step });
        be.residualForward(grad, grad, param);
      }
      return { param, m, v };
    });
  }
  for (const n of [1, 5, 768, 16_384, 40_003]) {
    // Double precision inside; one rounding at the end.
    operation(`mean and sumSquares, ${n}`, 2 * ROUNDING, async (desk, be) => {
      const [mean, squares, inp, other] = [
        await desk.junk(1),
        await desk.junk(1),
        await desk.random(n),
        await desk.random(17),
      ];
      be.mean(mean, inp);
      be.sumSquares(squares, [inp, other, inp]);
      return { mean, squares };
    });
  }
});

describe("embedding", () => {
  for (const [B, T, C, past] of [
    [1, 1, 1, 0],
    [5, 29, 48, 0],
    [2, 3, 65, 4],
    [3, 8, 130, 0],
  ]) {
    operation(`B=${B} T=${T} C=${C} past=${past}`, sums(B * T), async (desk, be) => {
      const V = 11; // few, so that tokens repeat
      const [tokens, wte, wpe, out] = [
        await desk.ids(V, B, T),
        await desk.random(V, C),
        await desk.random(past + T, C),
        await desk.junk(B, T, C),
      ];
      const [dwte, dwpe, dout] = [await desk.random(V, C), await desk.random(T, C), await desk.random(B, T, C)];
      be.embeddingForward(out, tokens, wte, wpe, past);
      be.embeddingBackward(dwte, dwpe, dout, tokens);
      return { out, dwte, dwpe };
    });
  }
});

describe("layernorm", () => {
  for (const [N, C] of [
    [1, 2],
    [1, 48],
    [29, 65],
    [145, 48],
    [7, 768],
    [64, 19],
  ]) {
    for (const accumulate of [false, true]) {
      operation(`N=${N} C=${C} accumulate=${accumulate}`, 4 * sums(N + C), async (desk, be) => {
        const [out, mean, rstd] = [await desk.junk(N, C), await desk.junk(N), await desk.junk(N)];
        const [inp, weight, bias] = [await desk.random(N, C), await desk.random(C), await desk.random(C)];
        const [dinp, dweight, dbias, dout] = [
          await desk.random(N, C),
          await desk.random(C),
          await desk.random(C),
          await desk.random(N, C),
        ];
        const [a, w] = [
          { out, mean, rstd },
          { weight, bias },
        ];
        be.layernormForward(a, inp, w, 1e-5);
        be.layernormBackward(dinp, { weight: dweight, bias: dbias, accumulate }, dout, inp, w, a);
        return { out, mean, rstd, dinp, dweight, dbias };
      });
    }
  }
});

describe("matmul", () => {
  for (const [N, C, OC] of [
    [1, 1, 1],
    [1, 65, 211],
    [3, 48, 144],
    [29, 65, 48],
    [145, 48, 192],
    [100, 400, 33],
  ]) {
    for (const accumulate of [false, true]) {
      const terms = Math.max(N, C, OC);
      operation(`N=${N} C=${C} OC=${OC} accumulate=${accumulate}`, sums(terms), async (desk, be) => {
        const [out, plain] = [await desk.junk(N, OC), await desk.junk(N, OC)];
        const [inp, weight, bias] = [await desk.random(N, C), await desk.random(OC, C), await desk.random(OC)];
        const [dinp, dweight, dbias] = [await desk.junk(N, C), await desk.random(OC, C), await desk.random(OC)];
        const [dout, noBias] = [await desk.random(N, OC), await desk.random(OC, C)];
        be.matmulForward(out, inp, { weight, bias });
        be.matmulForward(plain, inp, { weight, bias: null });
        be.matmulBackwardInput(dinp, dout, { weight, bias });
        be.matmulBackwardWeight({ weight: dweight, bias: dbias, accumulate }, dout, inp);
        be.matmulBackwardWeight({ weight: noBias, bias: null, accumulate }, dout, inp);
        return { out, plain, dinp, dweight, dbias, noBias };
      });
    }
  }
});

describe("attention", () => {
  for (const [B, T, NH, hs] of [
    [1, 1, 1, 1],
    [2, 29, 3, 16],
    [1, 29, 5, 3],
    [3, 8, 2, 64],
    [1, 130, 1, 16],
    [2, 7, 5, 1],
  ]) {
    const C = NH * hs;
    operation(`B=${B} T=${T} NH=${NH} hs=${hs}`, 4 * sums(T + hs), async (desk, be) => {
      const [out, lean, qkv] = [await desk.junk(B, T, C), await desk.junk(B, T, C), await desk.random(B, T, 3 * C)];
      const [dqkv, dout] = [await desk.junk(B, T, 3 * C), await desk.random(B, T, C)];
      const saved = be.alloc([be.attentionSavedSize({ B, T, C, NH })]);
      be.attentionForward(out, saved, qkv, NH);
      be.attentionForward(lean, null, qkv, NH);
      be.attentionBackward(dqkv, dout, qkv, saved, NH);
      return { out, lean, dqkv };
    });
    operation(`with a cache, in pieces: B=${B} T=${T} NH=${NH} hs=${hs}`, 4 * sums(T + hs), async (desk, be) => {
      const S = T + 3;
      const cache = { keys: await desk.random(B, S, C), values: await desk.random(B, S, C) };
      const outputs: Outputs = { ...cache };
      for (let past = 0; past < T; ) {
        const piece = Math.min(T - past, past === 0 ? Math.ceil(T / 2) : 1 + (past % 3));
        const [out, qkv] = [await desk.junk(B, piece, C), await desk.random(B, piece, 3 * C)];
        be.attentionForward(out, null, qkv, NH, cache, past);
        outputs[`out at ${past}`] = out;
        past += piece;
      }
      return outputs;
    });
  }
});

describe("head", () => {
  for (const [N, C, V, Vp] of [
    [1, 48, 211, 256],
    [29, 65, 211, 211],
    [145, 48, 65, 128],
    [7, 3, 1, 1],
  ]) {
    for (const accumulate of [false, true]) {
      for (const rows of [N, Math.ceil(N / 3)]) {
        const label = `N=${N} C=${C} V=${V} Vp=${Vp} accumulate=${accumulate}, ${rows} rows at a time`;
        operation(label, 4 * sums(Math.max(N, C)), async (desk, be) => {
          // The reference takes all rows at once; only what it states may be asked of it.
          const scratch = be.alloc([be === reference ? be.headScratchSize(N, Vp) : rows * Vp]);
          const [inp, wte, targets] = [await desk.random(N, C), await desk.random(Vp, C), await desk.ids(V, N)];
          const [losses, again, dinp, dwte] = [
            await desk.junk(N),
            await desk.junk(N),
            await desk.junk(N, C),
            await desk.random(Vp, C),
          ];
          be.headLoss({ losses, targets, scratch, V }, inp, wte);
          const gradient = { weight: dwte, accumulate };
          be.headBackward({ losses: again, targets, scratch, V }, dinp, gradient, inp, wte, 1 / N);
          return { losses, again, dinp, dwte };
        });
      }
    }
  }

  test("scratch memory stays bounded and grows with the rows", () => {
    const [backend] = builds[0].backends;
    expect(backend.headScratchSize(100_000, 50_304) * 4).toBeLessThanOrEqual(64 * 2 ** 20);
    expect(backend.headScratchSize(2, 1e9)).toBe(1e9);
    for (let N = 300; N < 400; N++)
      expect(backend.headScratchSize(N, 50_304)).toBeLessThanOrEqual(backend.headScratchSize(N + 1, 50_304));
  });
});
