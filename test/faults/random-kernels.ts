/**
 * Random configurations of every operation against the reference: sizes, kernels, threads, memory, bfloat16, caches, and
 * magnitudes from 1e-30 to 1e38. Two wasm backends of one build must agree to the bit, also of 128-bit and 256-bit vectors
 * (where this engine has the latter). A result must be the reference's within its rounding; where something on the way may
 * overflow, it may be infinite or NaN instead, but never another number.
 */
import assert from "node:assert/strict";
import type { Backend, DType, Tensor } from "../../src/backend/backend.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference.ts";
import { sizeOf } from "../../src/backend/shape.ts";
import { createWasmBackend } from "../../src/backend/wasm/create.ts";
import { nameOf, tiles } from "../../src/backend/wasm/variants.ts";
import { platform } from "../../src/platform/node.ts";
import { Choices } from "./choices.ts";
import type { Counts, RandomTrial } from "./random-trials.ts";

/** Half the distance from 1 to the next float: the largest relative error of one rounding. */
const rounding = 2 ** -24;
/** The smallest float above 0: the largest absolute error of one rounding near 0. */
const smallest = 2 ** -149;
/** Below it no sum of a few products overflows on its way. */
const safe = 1e37;

/** A tensor to be made in each backend: numbers, or ids. */
interface Operand {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
  readonly dtype: DType;
}

/** An output with the tolerance of its elements, and whether they may be infinite or NaN. */
interface Output {
  readonly tensor: string;
  /** By element and the reference's value. */
  readonly tolerance: (expected: number, index: number) => number;
  readonly mayOverflow: boolean;
}

interface Case {
  readonly name: string;
  readonly operands: Readonly<Record<string, Operand>>;
  readonly run: (be: Backend, at: Readonly<Record<string, Tensor>>) => void;
  readonly outputs: (expected: Readonly<Record<string, Float32Array>>) => readonly Output[];
}

const operand = (shape: readonly number[], data: Float32Array | Int32Array, dtype: DType = "f32"): Operand => ({
  shape,
  data,
  dtype,
});
/** Initial content that must be overwritten. */
const junk = (...shape: number[]) => operand(shape, new Float32Array(sizeOf(shape)).fill(99));
const ids = (choices: Choices, below: number, ...shape: number[]) =>
  operand(
    shape,
    Int32Array.from({ length: sizeOf(shape) }, () => choices.between(0, below - 1)),
    "i32",
  );
/** Numbers up to `size`. */
const random = (choices: Choices, size: number, ...shape: number[]) =>
  operand(shape, choices.numbers(sizeOf(shape), size));

type MakeCase = (choices: Choices) => Case;

/** Rounding error of a sum of n terms of magnitude `term`, and of an addend. */
const sum =
  (n: number, term: number, added = 0) =>
  (expected: number) =>
    (n + 8) * rounding * (term + added + Math.abs(expected)) + n * smallest;

const matmul: MakeCase = (choices) => {
  const [N, C, OC] = [choices.between(1, 40), choices.between(1, 90), choices.between(1, 70)];
  const [mx, mw, mb, md] = [0, 0, 0, 0].map(() => choices.magnitude());
  const accumulate = choices.one([true, false]);
  const isBf16 = choices.oneIn(3);
  const weights = choices.numbers(OC * C, mw);
  const numbers = (size: number, ...shape: number[]) => random(choices, size, ...shape);
  const operands = {
    x: numbers(mx, N, C),
    w: operand([OC, C], weights),
    read: operand([OC, C], weights, isBf16 ? "bf16" : "f32"),
    bias: numbers(mb, OC),
    out: junk(N, OC),
    dout: numbers(md, N, OC),
    dinp: junk(N, C),
    dw: numbers(mb, OC, C),
    db: numbers(mb, OC),
  };
  return {
    name: `matmul N=${N} C=${C} OC=${OC} ${isBf16 ? "bf16" : "f32"} accumulate=${accumulate} sizes ${[mx, mw, mb, md]}`,
    operands,
    run(be, at) {
      be.matmulForward(at.out, at.x, { weight: at.read, bias: at.bias });
      be.matmulBackwardInput(at.dinp, at.dout, { weight: at.w, bias: null });
      be.matmulBackwardWeight({ weight: at.dw, bias: at.db, accumulate }, at.dout, at.x);
    },
    outputs: () => [
      { tensor: "out", tolerance: sum(C, mx * mw, mb), mayOverflow: C * mx * mw + mb > safe },
      { tensor: "dinp", tolerance: sum(OC, md * mw), mayOverflow: OC * md * mw > safe },
      { tensor: "dw", tolerance: sum(N, md * mx, mb), mayOverflow: N * md * mx + mb > safe },
      { tensor: "db", tolerance: sum(N, md, mb), mayOverflow: N * md + mb > safe },
    ],
  };
};

/** Layernorm, or RMS norm: without mean and bias. */
const layernorm: MakeCase = (choices) => {
  const isRms = choices.oneIn(3);
  const [N, C] = [choices.between(1, 20), choices.between(2, 80)];
  const [mx, mw, mb, md] = [choices.magnitude(), choices.magnitude(-3, 3), choices.magnitude(-3, 3), 1];
  const numbers = (size: number, ...shape: number[]) => random(choices, size, ...shape);
  return {
    name: `${isRms ? "rms norm" : "layernorm"} N=${N} C=${C} sizes ${[mx, mw, mb]}`,
    operands: {
      x: numbers(mx, N, C),
      w: numbers(mw, C),
      b: numbers(mb, C),
      out: junk(N, C),
      mean: junk(N),
      rstd: junk(N),
      dout: numbers(md, N, C),
      dx: numbers(md, N, C),
      dw: junk(C),
      db: junk(C),
    },
    run(be, at) {
      const a = { out: at.out, mean: isRms ? null : at.mean, rstd: at.rstd };
      const w = { weight: at.w, bias: isRms ? null : at.b };
      const dw = { weight: at.dw, bias: isRms ? null : at.db, accumulate: false };
      be.layernormForward(a, at.x, w, 1e-5);
      be.layernormBackward(at.dx, dw, at.dout, at.x, w, a);
    },
    outputs({ rstd }) {
      // A row whose values are close together loses digits when its mean is subtracted.
      const rowError = (n: number) => 8 * (C + 8) * rounding * (1 + mx * rstd[n]);
      const worst = Math.max(...rstd.map((_, n) => rowError(n)));
      const z = Math.sqrt(C);
      const row = (index: number) => Math.floor(index / C);
      const mayOverflow = C * mx * mx > safe;
      return [
        ...(isRms ? [] : [{ tensor: "mean", tolerance: sum(C, mx), mayOverflow: C * mx > safe }]),
        { tensor: "rstd", tolerance: (e, n) => rowError(n) * Math.abs(e) + smallest, mayOverflow },
        {
          tensor: "out",
          tolerance: (e, i) => rowError(row(i)) * z * mw + 4 * rounding * (mb + Math.abs(e)),
          mayOverflow,
        },
        {
          tensor: "dx",
          tolerance: (e, i) => rowError(row(i)) * 4 * C * rstd[row(i)] * md * mw + 4 * rounding * (md + Math.abs(e)),
          mayOverflow,
        },
        { tensor: "dw", tolerance: () => (worst + N * rounding) * 2 * N * z * md, mayOverflow },
        ...(isRms ? [] : [{ tensor: "db", tolerance: sum(N, md), mayOverflow: false }]),
      ];
    },
  };
};

/** Forward and, in another tensor, backward. */
const rotary: MakeCase = (choices) => {
  const [B, T, NH] = [choices.between(1, 3), choices.between(1, 40), choices.between(1, 3)];
  const hs = 2 * choices.between(1, 40);
  const past = choices.one([0, choices.between(1, 30), choices.between(1, 2 ** 20 - 40)]);
  const size = choices.magnitude();
  const one = () => random(choices, size, B, T, 3 * NH * hs);
  // Cosine, sine, two products and their sum are each rounded.
  const tolerance = () => 8 * rounding * size + smallest;
  const mayOverflow = 2 * size > safe;
  return {
    name: `rotary B=${B} T=${T} NH=${NH} hs=${hs} past=${past} size ${size}`,
    operands: { qkv: one(), dqkv: one() },
    run(be, at) {
      be.rotaryForward(at.qkv, NH, past);
      be.rotaryBackward(at.dqkv, NH);
    },
    outputs: () => ["qkv", "dqkv"].map((tensor) => ({ tensor, tolerance, mayOverflow })),
  };
};

const attention: MakeCase = (choices) => {
  const [B, T, NH, hs] = [choices.between(1, 3), choices.between(1, 70), choices.between(1, 3), choices.between(1, 20)];
  const C = NH * hs;
  const past = choices.one([0, 0, choices.between(1, 30)]);
  const S = past + T + choices.between(0, 3);
  const [mq, mv, md] = [choices.magnitude(-10, 20), choices.magnitude(-10, 10), choices.magnitude(-10, 10)];
  const qkv = choices.numbers(B * T * 3 * C, 1).map((x, i) => x * (i % (3 * C) < 2 * C ? mq : mv));
  const scale = 1 / Math.sqrt(hs);
  /** Tolerance of scores, and so of the logarithms of probabilities. */
  const scoreError = (hs + 8) * rounding * mq * mq * scale * Math.sqrt(hs);
  const isExact = scoreError < 0.02;
  const relative = Math.expm1(2 * Math.min(scoreError, 1)) + 16 * (past + T + hs + 8) * rounding;
  const mayOverflow = hs * mq * mq > safe;
  const keys = choices.numbers(B * S * C, mq);
  return {
    name: `attention B=${B} T=${T} NH=${NH} hs=${hs} past=${past} sizes ${[mq, mv, md]}`,
    operands: {
      qkv: operand([B, T, 3 * C], qkv),
      keys: operand([B, S, C], keys),
      values: random(choices, mv, B, S, C),
      out: junk(B, T, C),
      cached: junk(B, T, C),
      dout: random(choices, md, B, T, C),
      dqkv: junk(B, T, 3 * C),
    },
    run(be, at) {
      const saved = be.alloc([be.attentionSavedSize({ B, T, C, NH })]);
      be.attentionForward(at.out, saved, at.qkv, NH);
      be.attentionBackward(at.dqkv, at.dout, at.qkv, saved, NH);
      be.attentionForward(at.cached, null, at.qkv, NH, { keys: at.keys, values: at.values }, past);
      void be.free(saved);
    },
    outputs() {
      // Where scores are too large for f32 to distinguish them, only properties of any probabilities are checked.
      const dscore = 2 * hs * mv * md * scale * mq;
      const ofGradient = (e: number, i: number) => {
        const isValue = i % (3 * C) >= 2 * C;
        const most = isValue ? T * md : T * dscore;
        return isExact ? relative * most + T * smallest * 1e9 : 2 * most + Math.abs(e);
      };
      const ofOut = () => (isExact ? relative * mv + smallest : 2.001 * mv);
      return [
        { tensor: "out", tolerance: ofOut, mayOverflow },
        { tensor: "cached", tolerance: ofOut, mayOverflow },
        { tensor: "dqkv", tolerance: ofGradient, mayOverflow: mayOverflow || T * dscore > safe },
      ];
    },
  };
};

const elementwise: MakeCase = (choices) => {
  const n = choices.between(1, 300);
  const form = choices.one(["tanh", "erf"] as const);
  const [mx, md] = [choices.magnitude(), choices.magnitude(-30, 30)];
  return {
    name: `gelu (${form}), residual, sums n=${n} sizes ${[mx, md]}`,
    operands: {
      x: random(choices, mx, n),
      dout: random(choices, md, n),
      gelu: junk(n),
      dx: junk(n),
      added: junk(n),
      mean: junk(1),
      squares: junk(1),
    },
    run(be, at) {
      be.geluForward(at.gelu, at.x, form);
      be.geluBackward(at.dx, at.x, at.dout, form);
      be.residualForward(at.added, at.x, at.dout);
      be.mean(at.mean, at.x);
      be.sumSquares(at.squares, [at.x]);
    },
    outputs: () => [
      {
        tensor: "gelu",
        tolerance: (e) => 32 * rounding * (Math.min(mx, 1) + Math.abs(e)) + smallest,
        mayOverflow: mx > safe,
      },
      { tensor: "dx", tolerance: () => 32 * rounding * 2 * md + smallest, mayOverflow: mx > 1e15 },
      { tensor: "added", tolerance: (e) => 2 * rounding * Math.abs(e) + smallest, mayOverflow: mx + md > safe },
      {
        tensor: "mean",
        tolerance: (e) => 2 * rounding * Math.abs(e) + rounding * 1e-6 * mx + smallest,
        mayOverflow: false,
      },
      {
        tensor: "squares",
        tolerance: (e) => 2e-6 * Math.abs(e) + n * smallest,
        mayOverflow: n * mx * mx > safe,
      },
    ],
  };
};

const embedding: MakeCase = (choices) => {
  const [B, T, C, V] = [choices.between(1, 3), choices.between(1, 12), choices.between(1, 60), choices.between(1, 9)];
  const past = choices.between(0, 5);
  const [mw, md] = [choices.magnitude(), choices.magnitude()];
  return {
    name: `embedding B=${B} T=${T} C=${C} past=${past} sizes ${[mw, md]}`,
    operands: {
      tokens: ids(choices, V, B, T),
      wte: operand([V, C], choices.numbers(V * C, mw), choices.one(["f32", "bf16"] as const)),
      wpe: random(choices, mw, past + T, C),
      out: junk(B, T, C),
      dwte: random(choices, md, V, C),
      dwpe: random(choices, md, T, C),
      dout: random(choices, md, B, T, C),
    },
    run(be, at) {
      be.embeddingForward(at.out, at.tokens, at.wte, at.wpe, past);
      be.embeddingBackward(at.dwte, at.dwpe, at.dout, at.tokens);
    },
    outputs: () => [
      { tensor: "out", tolerance: (e) => 2 * rounding * Math.abs(e) + smallest, mayOverflow: 2 * mw > safe },
      { tensor: "dwte", tolerance: sum(B * T, md * B * T), mayOverflow: B * T * md > safe },
      { tensor: "dwpe", tolerance: sum(B, md * B), mayOverflow: B * T * md > safe },
    ],
  };
};

const head: MakeCase = (choices) => {
  const [N, C, V] = [choices.between(1, 20), choices.between(1, 40), choices.between(1, 150)];
  const Vp = V + choices.one([0, 3, 14]);
  const [mx, mw] = [choices.magnitude(-30, 20), choices.magnitude(-30, 20)];
  const accumulate = choices.one([true, false]);
  const scale = 1 / N;
  const logitError = (C + 8) * rounding * mx * mw * 2 + C * smallest;
  const isExact = logitError < 0.02;
  const relative = Math.expm1(2 * Math.min(logitError, 1)) + 16 * (V + 8) * rounding;
  const mayOverflow = C * mx * mw > safe;
  return {
    name: `head N=${N} C=${C} V=${V} Vp=${Vp} accumulate=${accumulate} sizes ${[mx, mw]}`,
    operands: {
      x: random(choices, mx, N, C),
      wte: random(choices, mw, Vp, C),
      targets: ids(choices, V, N),
      losses: junk(N),
      again: junk(N),
      dx: junk(N, C),
      dwte: random(choices, mx, Vp, C),
    },
    run(be, at) {
      const scratch = be.alloc([be.headScratchSize(N, Vp)]);
      const head = { losses: at.losses, targets: at.targets, scratch, V };
      be.headLoss(head, at.x, at.wte);
      be.headBackward({ ...head, losses: at.again }, at.dx, { weight: at.dwte, accumulate }, at.x, at.wte, scale);
      void be.free(scratch);
    },
    outputs: () => {
      const ofLoss = (e: number) => 4 * logitError + (V + 16) * rounding * (1 + Math.abs(e));
      const of = (most: number) => () => (isExact ? relative : 2) * 2 * most + N * smallest * 1e9;
      return [
        { tensor: "losses", tolerance: ofLoss, mayOverflow },
        { tensor: "again", tolerance: ofLoss, mayOverflow },
        { tensor: "dx", tolerance: of(scale * mw), mayOverflow },
        { tensor: "dwte", tolerance: of(N * scale * mx + (accumulate ? mx * 1e-3 : 0)), mayOverflow },
      ];
    },
  };
};

const adamw: MakeCase = (choices) => {
  const n = choices.between(1, 200);
  const mg = choices.magnitude(-30, 38);
  const rates = { learningRate: 1e-2, beta1: 0.9, beta2: choices.one([0.95, 0.999]), eps: 1e-8, weightDecay: 0.1 };
  return {
    name: `adamw n=${n} beta2=${rates.beta2} size ${mg}`,
    operands: {
      param: random(choices, 1, n),
      grad: random(choices, mg, n),
      m: operand([n], new Float32Array(n)),
      v: operand([n], new Float32Array(n)),
    },
    run(be, at) {
      for (let step = 1; step <= 3; step++) be.adamw(at.param, at.grad, at.m, at.v, { ...rates, gradScale: 0.7, step });
    },
    outputs: () => [
      { tensor: "param", tolerance: (e) => 64 * rounding * (1 + Math.abs(e)), mayOverflow: mg > 1e18 },
      { tensor: "m", tolerance: () => 32 * rounding * mg + 8 * smallest, mayOverflow: mg > safe },
      { tensor: "v", tolerance: () => 32 * rounding * mg * mg + 8 * smallest, mayOverflow: mg > 1e18 },
    ],
  };
};

const makers = [matmul, layernorm, rotary, attention, elementwise, embedding, head, adamw];

async function resultsOf(be: Backend, { operands, run }: Case): Promise<Record<string, Float32Array>> {
  const at: Record<string, Tensor> = {};
  for (const [name, { shape, data, dtype }] of Object.entries(operands)) {
    assert.equal(sizeOf(shape), data.length);
    at[name] = be.alloc(shape, dtype);
    await be.write(at[name], data);
  }
  run(be, at);
  const results: Record<string, Float32Array> = {};
  for (const [name, tensor] of Object.entries(at)) if (tensor.dtype !== "i32") results[name] = await be.read(tensor);
  for (const tensor of Object.values(at)) await be.free(tensor);
  return results;
}

function compare(
  one: Case,
  found: Readonly<Record<string, Float32Array>>,
  expected: Readonly<Record<string, Float32Array>>,
) {
  for (const { tensor, tolerance, mayOverflow } of one.outputs(expected)) {
    for (const [i, value] of expected[tensor].entries()) {
      const actual = found[tensor][i];
      const okay = !Number.isFinite(actual)
        ? mayOverflow
        : Math.abs(actual - value) <= tolerance(value, i) || (mayOverflow && Math.abs(actual) > safe);
      assert(okay, `${one.name}: ${tensor}[${i}] is ${actual}, the reference has ${value} ± ${tolerance(value, i)}`);
    }
  }
}

const casesPerTrial = 16;

/** Vectors of 128 bits, and of 256 where this engine has them. */
const simd256Choices = platform.problemOfSimd256() === undefined ? [false, true] : [false];

export const randomKernels: RandomTrial = {
  kind: "kernels",
  name: "random configurations of kernels",
  what: "every operation, sizes, kernels, threads, magnitudes: the reference's results, or infinite or NaN; bits among kernels",
  quick: 4,
  async trial(_, seed): Promise<Counts> {
    const choices = new Choices(seed);
    const build = choices.one(["relaxed", "plain"] as const);
    const start = () => {
      const shared = !choices.oneIn(3);
      const threads = shared ? choices.between(1, 4) : 1;
      const kernel = nameOf({ build, tile: choices.one(tiles), simd256: choices.one(simd256Choices) });
      return createWasmBackend({ kernel, shared, threads });
    };
    const backends = [await start(), await start()];
    const reference = createReferenceBackend();
    try {
      for (let n = 0; n < casesPerTrial; n++) {
        const one = makers[n % makers.length](choices);
        const where = `seed ${seed}, ${backends.map(({ description }) => description).join(" and ")}, ${one.name}`;
        try {
          const expected = await resultsOf(reference, one);
          const [found, other] = [await resultsOf(backends[0], one), await resultsOf(backends[1], one)];
          for (const [name, numbers] of Object.entries(found))
            assert(Buffer.from(numbers.buffer).equals(Buffer.from(other[name].buffer)), `${name} has other bits`);
          compare(one, found, expected);
        } catch (error) {
          throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error });
        }
      }
    } finally {
      for (const backend of backends) await backend.dispose();
    }
    return { configurations: casesPerTrial };
  },
};
