/**
 * Conformance cases: what every backend has to compute as the reference does, by operation and shape. They run in the
 * tests of all backends; the check at a start (check.ts) takes a few. test/faults/random-kernels.ts has cases of its own: it
 * varies magnitudes, and derives a tolerance for each element from them.
 *
 * run.ts puts all tensors between guards, which nothing may overwrite.
 */
import {
  type Backend,
  type GeluForm,
  type Precision,
  reductionTolerance,
  type Tensor,
  type WeightType,
  weightTypes,
} from "../backend.ts";
import type { OperationName } from "../work.ts";

/** A tensor of a case, and what it holds at first. */
export interface Operand {
  readonly shape: readonly number[] | ((be: Backend) => readonly number[]);
  /** Numbers in -1 … 1; junk, which must be overwritten; zeros; whole numbers from `from` (0) on, below `ids`; or the backend's own memory. */
  readonly holds: "numbers" | "junk" | "zeros" | "scratch" | { readonly ids: number; readonly from?: number };
  /** The type that the numbers are kept in; default f32. */
  readonly as?: WeightType;
}

type Operands<Name extends string> = Readonly<Record<Name, Operand>>;

export interface Case {
  readonly name: string;
  readonly operands: Operands<string>;
  /** The results, and which operation gives each. */
  readonly outputs: Readonly<Record<string, OperationName>>;
  /** Largest error of a result of magnitude 1; proportional above that. */
  readonly tolerance: number;
  /** Only for backends that have it. */
  readonly precision?: Precision;
  readonly weights?: WeightType;
  readonly run: (be: Backend, at: Readonly<Record<string, Tensor>>) => void;
}

/** Half the distance from 1 to the next float: what one rounding may lose, relative to its result. */
const rounding = 2 ** -24;

/**
 * The tolerance for a sum of n products of numbers in -1 … 1. Its partial sums are about sqrt(n) / 3 in size and each
 * is rounded; the roundings add up like a random walk of n steps, to about n / 3 of them. Three times that, and a few
 * for what is computed from the sum.
 */
const sums = (n: number) => (n + 8) * rounding;

/**
 * With int8, inputs may be rounded to 16 bits: n errors of up to 2^-16, each times a weight, hence 2^-16 / 3 of deviation.
 * Six times that of their sum.
 */
const roundedInputs = (n: number, weights: WeightType) => (weights === "int8" ? 2 * Math.sqrt(n) * 2 ** -16 : 0);

/** For names of cases. */
const inType = (weights: WeightType) => (weights === "f32" ? "" : ` ${weights}`);

/**
 * Elementwise operations: a handful of roundings. The worst is GELU's derivative near 4, where 1 - sigmoid is left with
 * one rounding of 1, and is then multiplied by 20.
 */
const few = 32 * rounding;

const numbers = (...shape: number[]): Operand => ({ shape, holds: "numbers" });
const junk = (...shape: number[]): Operand => ({ shape, holds: "junk" });
const zeros = (...shape: number[]): Operand => ({ shape, holds: "zeros" });
const ids = (below: number, ...shape: number[]): Operand => ({ shape, holds: { ids: below } });
/** Targets below V, of which about a third are ignored. */
const masked = (V: number, N: number): Operand => ({ shape: [N], holds: { ids: V, from: -Math.ceil(V / 2) } });
const scratch = (size: (be: Backend) => number): Operand => ({ shape: (be) => [size(be)], holds: "scratch" });

/** A case whose `run` knows its operands by name. */
function caseOf<Name extends string>(
  one: Omit<Case, "run" | "operands" | "outputs"> & {
    readonly operands: Operands<Name>;
    readonly outputs: Partial<Readonly<Record<Name, OperationName>>>;
    readonly run: (be: Backend, at: Readonly<Record<Name, Tensor>>) => void;
  },
): Case {
  return one as Case;
}

export const fill = (n: number): Case =>
  caseOf({
    name: `fill n=${n}`,
    operands: { out: junk(n), zero: junk(n) },
    outputs: { out: "fill", zero: "fill" },
    tolerance: 0,
    run(be, at) {
      be.fill(at.out, 0.1);
      be.fill(at.zero, 0);
    },
  });

/** Apart, and in place of either operand. */
export const residual = (n: number): Case =>
  caseOf({
    name: `residual n=${n}`,
    operands: { out: junk(n), x: numbers(n), y: numbers(n), a: numbers(n), b: numbers(n) },
    outputs: { out: "residualForward", a: "residualForward", b: "residualForward" },
    tolerance: 0,
    run(be, at) {
      be.residualForward(at.out, at.x, at.y);
      be.residualForward(at.a, at.a, at.x);
      be.residualForward(at.b, at.x, at.b);
    },
  });

/** Apart, and in place of either operand. */
export const addScaled = (n: number): Case =>
  caseOf({
    name: `addScaled n=${n}`,
    operands: { out: junk(n), x: numbers(n), y: numbers(n), a: numbers(n), b: numbers(n) },
    outputs: { out: "addScaled", a: "addScaled", b: "addScaled" },
    tolerance: few,
    run(be, at) {
      be.addScaled(at.out, at.x, 3.4445, at.y, -0.25);
      be.addScaled(at.a, at.a, 0.05, at.x, 0.95);
      be.addScaled(at.b, at.x, -4.775, at.b, 2);
    },
  });

/** Apart and in place, of numbers in -16 … 16. */
export const gelu = (n: number, form: GeluForm): Case =>
  caseOf({
    name: `gelu (${form}) n=${n}`,
    operands: { out: junk(n), inp: numbers(n), inplace: numbers(n), dinp: junk(n), dout: numbers(n), d: numbers(n) },
    outputs: {
      out: "geluForward",
      inplace: "geluForward",
      dinp: "geluBackward",
      d: "geluBackward",
      inp: "residualForward",
    },
    tolerance: few,
    run(be, at) {
      for (const x of [at.inp, at.inplace])
        for (let doublings = 0; doublings < 4; doublings++) be.residualForward(x, x, x);
      be.geluForward(at.out, at.inp, form);
      be.geluForward(at.inplace, at.inplace, form);
      be.geluBackward(at.dinp, at.inp, at.dout, form);
      be.geluBackward(at.d, at.inp, at.d, form);
    },
  });

/**
 * Three steps, of other gradients and scales. An update is learningRate times a number of size 1, so that an error of a
 * ten-thousandth in it would show.
 */
export const adamw = (n: number): Case =>
  caseOf({
    name: `adamw n=${n}`,
    operands: { param: numbers(n), grad: numbers(n), m: zeros(n), v: zeros(n) },
    outputs: { param: "adamw", m: "adamw", v: "adamw", grad: "residualForward" },
    tolerance: few,
    run(be, at) {
      const rates = { learningRate: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 };
      for (const [i, gradScale] of [0.7, 0.9, 0.3].entries()) {
        be.adamw(at.param, at.grad, at.m, at.v, { ...rates, gradScale, step: i + 1 });
        be.residualForward(at.grad, at.grad, at.param);
      }
    },
  });

/** Of numbers whose sizes add up to n / 2, or whose squares do to n / 3. */
export const reductions = (n: number): Case =>
  caseOf({
    name: `mean and sumSquares n=${n}`,
    operands: { mean: junk(1), squares: junk(1), inp: numbers(n), other: numbers(17) },
    outputs: { mean: "mean", squares: "sumSquares" },
    tolerance: reductionTolerance,
    run(be, at) {
      be.mean(at.mean, at.inp);
      be.sumSquares(at.squares, [at.inp, at.other, at.inp]);
    },
  });

/** Tokens repeat, since there are few. Without positions, `dwpe` stays as it is. */
export const embedding = (
  B: number,
  T: number,
  C: number,
  past = 0,
  weights: WeightType = "f32",
  hasPositions = true,
): Case => {
  const V = 11;
  return caseOf({
    name: `embedding B=${B} T=${T} C=${C} past=${past}${inType(weights)}${hasPositions ? "" : " no wpe"}`,
    operands: {
      tokens: ids(V, B, T),
      wte: { ...numbers(V, C), as: weights },
      wpe: numbers(past + T, C),
      out: junk(B, T, C),
      dwte: numbers(V, C),
      dwpe: numbers(T, C),
      dout: numbers(B, T, C),
    },
    outputs: { out: "embeddingForward", dwte: "embeddingBackward", dwpe: "embeddingBackward" },
    tolerance: sums(B * T),
    weights,
    run(be, at) {
      be.embeddingForward(at.out, at.tokens, at.wte, hasPositions ? at.wpe : null, past);
      be.embeddingBackward(at.dwte, hasPositions ? at.dwpe : null, at.dout, at.tokens);
    },
  });
};

export const layernorm = (N: number, C: number, accumulate: boolean): Case =>
  caseOf({
    name: `layernorm N=${N} C=${C} accumulate=${accumulate}`,
    operands: {
      out: junk(N, C),
      mean: junk(N),
      rstd: junk(N),
      x: numbers(N, C),
      w: numbers(C),
      b: numbers(C),
      dx: numbers(N, C),
      dw: numbers(C),
      db: numbers(C),
      dout: numbers(N, C),
    },
    outputs: {
      out: "layernormForward",
      mean: "layernormForward",
      rstd: "layernormForward",
      dx: "layernormBackward",
      dw: "layernormBackward",
      db: "layernormBackward",
    },
    tolerance: 4 * sums(N + C),
    run(be, at) {
      const a = { out: at.out, mean: at.mean, rstd: at.rstd };
      const w = { weight: at.w, bias: at.b };
      be.layernormForward(a, at.x, w, 1e-5);
      be.layernormBackward(at.dx, { weight: at.dw, bias: at.db, accumulate }, at.dout, at.x, w, a);
    },
  });

export const rmsnorm = (N: number, C: number, accumulate: boolean): Case =>
  caseOf({
    name: `rmsnorm N=${N} C=${C} accumulate=${accumulate}`,
    operands: {
      out: junk(N, C),
      rstd: junk(N),
      x: numbers(N, C),
      w: numbers(C),
      dx: numbers(N, C),
      dw: numbers(C),
      dout: numbers(N, C),
    },
    outputs: { out: "layernormForward", rstd: "layernormForward", dx: "layernormBackward", dw: "layernormBackward" },
    tolerance: 4 * sums(N + C),
    run(be, at) {
      const a = { out: at.out, mean: null, rstd: at.rstd };
      const w = { weight: at.w, bias: null };
      be.layernormForward(a, at.x, w, 1e-5);
      be.layernormBackward(at.dx, { weight: at.dw, bias: null, accumulate }, at.dout, at.x, w, a);
    },
  });

export const matmulForward = (N: number, C: number, OC: number, hasBias = true, weights: WeightType = "f32"): Case =>
  caseOf({
    name: `matmulForward N=${N} C=${C} OC=${OC}${hasBias ? "" : " no bias"}${inType(weights)}`,
    operands: { out: junk(N, OC), x: numbers(N, C), w: { ...numbers(OC, C), as: weights }, b: numbers(OC) },
    outputs: { out: "matmulForward" },
    tolerance: sums(C) + roundedInputs(C, weights),
    weights,
    run: (be, at) => be.matmulForward(at.out, at.x, { weight: at.w, bias: hasBias ? at.b : null }),
  });

export const matmulBackwardInput = (N: number, C: number, OC: number, weights: WeightType = "f32"): Case =>
  caseOf({
    name: `matmulBackwardInput N=${N} C=${C} OC=${OC}${inType(weights)}`,
    operands: { dx: junk(N, C), dout: numbers(N, OC), w: { ...numbers(OC, C), as: weights } },
    outputs: { dx: "matmulBackwardInput" },
    tolerance: sums(OC) + roundedInputs(OC, weights),
    weights,
    run: (be, at) => be.matmulBackwardInput(at.dx, at.dout, { weight: at.w, bias: null }),
  });

/** Without a bias, `db` stays as it is. */
export const matmulBackwardWeight = (N: number, C: number, OC: number, accumulate: boolean, hasBias = true): Case =>
  caseOf({
    name: `matmulBackwardWeight N=${N} C=${C} OC=${OC} accumulate=${accumulate}${hasBias ? "" : " no bias"}`,
    operands: { dw: numbers(OC, C), db: numbers(OC), dout: numbers(N, OC), x: numbers(N, C) },
    outputs: { dw: "matmulBackwardWeight", db: "matmulBackwardWeight" },
    tolerance: sums(N),
    run: (be, at) =>
      be.matmulBackwardWeight({ weight: at.dw, bias: hasBias ? at.db : null, accumulate }, at.dout, at.x),
  });

/** There and back: the backward turns other numbers. */
export const rotary = (B: number, T: number, NH: number, hs: number, past = 0): Case =>
  caseOf({
    name: `rotary B=${B} T=${T} NH=${NH} hs=${hs} past=${past}`,
    operands: { qkv: numbers(B, T, 3 * NH * hs), dqkv: numbers(B, T, 3 * NH * hs) },
    outputs: { qkv: "rotaryForward", dqkv: "rotaryBackward" },
    // Cosine and sine, two products and their sum are each rounded once.
    tolerance: 8 * rounding,
    run(be, at) {
      be.rotaryForward(at.qkv, NH, past);
      be.rotaryBackward(at.dqkv, NH);
    },
  });

/** `lean` is without what a backward needs. */
export const attention = (B: number, T: number, NH: number, hs: number): Case => {
  const C = NH * hs;
  return caseOf({
    name: `attention B=${B} T=${T} NH=${NH} hs=${hs}`,
    operands: {
      out: junk(B, T, C),
      lean: junk(B, T, C),
      qkv: numbers(B, T, 3 * C),
      saved: scratch((be) => be.attentionSavedSize({ B, T, C, NH })),
      dqkv: junk(B, T, 3 * C),
      dout: numbers(B, T, C),
    },
    outputs: { out: "attentionForward", lean: "attentionForward", dqkv: "attentionBackward" },
    tolerance: 4 * sums(T + hs),
    run(be, at) {
      be.attentionForward(at.out, at.saved, at.qkv, NH);
      be.attentionForward(at.lean, null, at.qkv, NH);
      be.attentionBackward(at.dqkv, at.dout, at.qkv, at.saved, NH);
    },
  });
};

/** Positions that go into a cache together, behind `past` ones. */
interface Piece {
  readonly past: number;
  readonly length: number;
}

/** A cache of S positions, which takes one piece after the other. */
const cachedAttention = (B: number, NH: number, hs: number, S: number, pieces: readonly Piece[]): Case => {
  const C = NH * hs;
  const each = (name: string, operand: (length: number) => Operand) =>
    Object.fromEntries(pieces.map(({ past, length }) => [`${name}${past}`, operand(length)]));
  const outs = each("out", (length) => junk(B, length, C));
  return caseOf<string>({
    name: `attention with a cache B=${B} NH=${NH} hs=${hs} S=${S} ${pieces.map(({ past, length }) => `${past}+${length}`)}`,
    operands: {
      keys: numbers(B, S, C),
      values: numbers(B, S, C),
      ...outs,
      ...each("qkv", (length) => numbers(B, length, 3 * C)),
    },
    outputs: Object.fromEntries(["keys", "values", ...Object.keys(outs)].map((name) => [name, "attentionForward"])),
    tolerance: 4 * sums(Math.max(...pieces.map(({ past, length }) => past + length)) + hs),
    run(be, at) {
      const cache = { keys: at.keys, values: at.values };
      for (const { past } of pieces) be.attentionForward(at[`out${past}`], null, at[`qkv${past}`], NH, cache, past);
    },
  });
};

/** T positions in pieces, as a prompt and then few tokens at a time. */
function piecesOf(T: number): Piece[] {
  const pieces: Piece[] = [];
  for (let past = 0; past < T; ) {
    const length = Math.min(T - past, past === 0 ? Math.ceil(T / 2) : 1 + (past % 3));
    pieces.push({ past, length });
    past += length;
  }
  return pieces;
}

/**
 * `rows`: the most rows at a time that the scratch memory takes, on a backend that does not take all. `ignoring`: some targets are
 * negative.
 */
export const head = (
  N: number,
  C: number,
  V: number,
  Vp: number,
  accumulate: boolean,
  rows = N,
  ignoring = false,
): Case => {
  const least = (be: Backend) =>
    be.headScratchSize(2 ** 20, Vp) < 2 ** 20 * Vp ? rows * Vp : be.headScratchSize(N, Vp);
  return caseOf({
    name: `head N=${N} C=${C} V=${V} Vp=${Vp} accumulate=${accumulate}, ${rows} rows at a time${ignoring ? ", some ignored" : ""}`,
    operands: {
      losses: junk(N),
      again: junk(N),
      dx: junk(N, C),
      dwte: numbers(Vp, C),
      x: numbers(N, C),
      wte: numbers(Vp, C),
      targets: ignoring ? masked(V, N) : ids(V, N),
      scratch: scratch(least),
    },
    outputs: { losses: "headLoss", again: "headBackward", dx: "headBackward", dwte: "headBackward" },
    tolerance: 4 * sums(Math.max(N, C)),
    run(be, at) {
      const head = { losses: at.losses, targets: at.targets, scratch: at.scratch, V };
      be.headLoss(head, at.x, at.wte);
      be.headBackward({ ...head, losses: at.again }, at.dx, { weight: at.dwte, accumulate }, at.x, at.wte, 1 / N);
    },
  });
};

/** The forward alone, with weights of any type. */
export const headLoss = (N: number, C: number, V: number, Vp: number, weights: WeightType): Case =>
  caseOf({
    name: `headLoss N=${N} C=${C} V=${V} Vp=${Vp}${inType(weights)}`,
    operands: {
      losses: junk(N),
      targets: ids(V, N),
      scratch: scratch((be) => be.headScratchSize(N, Vp)),
      x: numbers(N, C),
      wte: { ...numbers(Vp, C), as: weights },
    },
    outputs: { losses: "headLoss" },
    tolerance: sums(V + C) + roundedInputs(C, weights),
    weights,
    run: (be, at) => be.headLoss({ losses: at.losses, targets: at.targets, scratch: at.scratch, V }, at.x, at.wte),
  });

/** The head with its gradient for the layers below it alone: weights of any type, which are frozen. */
const headFrozen = (N: number, C: number, V: number, Vp: number, weights: WeightType): Case =>
  caseOf({
    name: `head without a gradient of wte N=${N} C=${C} V=${V} Vp=${Vp}${inType(weights)}`,
    operands: {
      losses: junk(N),
      dx: junk(N, C),
      x: numbers(N, C),
      wte: { ...numbers(Vp, C), as: weights },
      targets: masked(V, N),
      scratch: scratch((be) => be.headScratchSize(N, Vp)),
    },
    outputs: { losses: "headBackward", dx: "headBackward" },
    tolerance: 4 * sums(Math.max(V, C)) + roundedInputs(Math.max(V, C), weights),
    weights,
    run(be, at) {
      const head = { losses: at.losses, targets: at.targets, scratch: at.scratch, V };
      be.headBackward(head, at.dx, null, at.x, at.wte, 1 / N);
    },
  });

/** A case with some operands in bfloat16. */
export const inBfloat16 = (one: Case, ...names: readonly string[]): Case => ({
  ...one,
  name: `${one.name}, ${names.join(" and ")} in bf16`,
  operands: Object.fromEntries(
    Object.entries(one.operands).map(([name, operand]) => [
      name,
      names.includes(name) ? { ...operand, as: "bf16" as const } : operand,
    ]),
  ),
  precision: "bf16",
});

/** AdamW with a copy of the parameter. */
export const adamwCopy = (n: number): Case =>
  caseOf({
    name: `adamw with a copy n=${n}`,
    operands: { param: numbers(n), grad: numbers(n), m: zeros(n), v: zeros(n), copy: { ...junk(n), as: "bf16" } },
    outputs: { param: "adamw", m: "adamw", v: "adamw", copy: "adamw" },
    tolerance: few,
    precision: "bf16",
    run(be, at) {
      const options = { learningRate: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 };
      be.adamw(at.param, at.grad, at.m, at.v, { ...options, gradScale: 1, step: 1 }, at.copy);
    },
  });

/** A projection that is added to the residual stream. */
export const residualInBfloat16 = (n: number): Case =>
  caseOf({
    name: `residual n=${n}, b in bf16`,
    operands: { out: junk(n), a: numbers(n), b: { ...numbers(n), as: "bf16" } },
    outputs: { out: "residualForward" },
    tolerance: 0,
    precision: "bf16",
    run: (be, at) => be.residualForward(at.out, at.a, at.b),
  });

/** GELU and its backward in place, as a step has them. */
export const geluInBfloat16 = (n: number, form: GeluForm): Case => {
  const half = (operand: Operand): Operand => ({ ...operand, as: "bf16" });
  return caseOf({
    name: `gelu (${form}) n=${n} in bf16`,
    operands: { out: half(junk(n)), inp: half(numbers(n)), d: half(numbers(n)) },
    outputs: { out: "geluForward", d: "geluBackward" },
    tolerance: few,
    precision: "bf16",
    run(be, at) {
      be.geluForward(at.out, at.inp, form);
      be.geluBackward(at.d, at.inp, at.d, form);
    },
  });
};

const both = [false, true];

/** Every operation with operands in bfloat16, of widths that are multiples of 8. */
export const halfPrecision: readonly Case[] = [
  ...[8, 4104].flatMap((n) => [
    adamwCopy(n),
    residualInBfloat16(n),
    geluInBfloat16(n, "tanh"),
    geluInBfloat16(n, "erf"),
  ]),
  inBfloat16(layernorm(29, 48, false), "out", "dout"),
  inBfloat16(layernorm(7, 768, true), "dout"),
  inBfloat16(rmsnorm(29, 72, true), "out", "dout"),
  ...[
    [1, 8, 16],
    [3, 48, 144],
    [29, 72, 48],
    [145, 400, 40],
  ].flatMap(([N, C, OC]) => [
    inBfloat16(matmulForward(N, C, OC), "out", "x", "w"),
    inBfloat16(matmulForward(N, C, OC, false), "x"),
    inBfloat16(matmulBackwardInput(N, C, OC), "dx", "dout", "w"),
    inBfloat16(matmulBackwardInput(N, C, OC), "dx", "w"),
    inBfloat16(matmulBackwardWeight(N, C, OC, true), "dout", "x"),
    inBfloat16(matmulBackwardWeight(N, C, OC, false), "x"),
  ]),
  // Of a long sum and few results.
  inBfloat16(matmulBackwardInput(20, 24, 1104), "dx", "w"),
  inBfloat16(rotary(2, 29, 3, 16), "qkv", "dqkv"),
  inBfloat16(rotary(1, 5, 2, 8, 1000), "qkv", "dqkv"),
  ...[
    [1, 1, 1, 8],
    [2, 29, 3, 16],
    [1, 70, 1, 16],
    [1, 9, 1, 128], // more channels than a tile may have
  ].map(([B, T, NH, hs]) => inBfloat16(attention(B, T, NH, hs), "out", "lean", "qkv", "dout", "dqkv")),
  ...both.map((accumulate) => inBfloat16(head(29, 64, 211, 256, accumulate, 29, accumulate), "dx", "x", "wte")),
];

const lengths = [1, 2, 3, 4, 47, 4096, 10_001];
const products = [
  [1, 1, 1],
  [1, 65, 211],
  [3, 48, 144],
  [8, 48, 1],
  [9, 13, 21],
  [29, 65, 48],
  [145, 48, 192],
  [100, 400, 33],
] as const;
/** Rows of whole blocks: few, and more than a backend reads int8 for in place; whole groups of eight blocks, and not. */
const int8Products = [
  [3, 256, 21],
  [1, 768, 9],
  [1, 32, 1],
  [1, 64, 211],
  [3, 96, 145],
  [8, 32, 5],
  [9, 64, 21],
  [145, 96, 48],
  [100, 416, 33],
] as const;
const attentions = [
  [1, 1, 1, 1],
  [2, 29, 3, 16],
  [1, 29, 5, 3],
  [3, 8, 2, 64],
  [1, 130, 1, 16],
  [2, 7, 5, 1],
  [1, 450, 1, 4],
] as const;

/** All cases: odd shapes, ends of rows, every option. */
export const suite: readonly Case[] = [
  ...lengths.flatMap((n) => [fill(n), residual(n), addScaled(n), gelu(n, "tanh"), gelu(n, "erf"), adamw(n)]),
  ...[1, 5, 768, 16_384, 40_003].map((n) => reductions(n)),
  ...(["f32", "bf16"] as const).flatMap((weights) => [
    embedding(1, 1, 1, 0, weights),
    embedding(5, 29, 48, 0, weights),
    embedding(2, 3, 65, 4, weights),
    embedding(3, 8, 130, 0, weights),
    embedding(3, 7, 65, 0, weights, false),
  ]),
  embedding(1, 1, 32, 0, "int8"),
  embedding(5, 29, 96, 4, "int8"),
  embedding(3, 7, 64, 0, "int8", false),
  ...[layernorm, rmsnorm].flatMap((norm) =>
    both.flatMap((accumulate) => [
      norm(1, 2, accumulate),
      norm(1, 48, accumulate),
      norm(29, 65, accumulate),
      norm(145, 48, accumulate),
      norm(7, 768, accumulate),
      norm(64, 19, accumulate),
    ]),
  ),
  ...products.flatMap(([N, C, OC]) => [
    ...both.flatMap((hasBias) =>
      (["f32", "bf16"] as const).map((weights) => matmulForward(N, C, OC, hasBias, weights)),
    ),
    ...(["f32", "bf16"] as const).map((weights) => matmulBackwardInput(N, C, OC, weights)),
    ...both.flatMap((hasBias) => both.map((accumulate) => matmulBackwardWeight(N, C, OC, accumulate, hasBias))),
  ]),
  ...both.flatMap((hasBias) => int8Products.map(([N, C, OC]) => matmulForward(N, C, OC, hasBias, "int8"))),
  ...int8Products.map(([N, C, OC]) => matmulBackwardInput(N, C, OC, "int8")),
  ...weightTypes.flatMap((weights) =>
    [headLoss, headFrozen].flatMap((head) => [head(3, 64, 61, 67, weights), head(29, 96, 211, 256, weights)]),
  ),
  ...[
    [1, 1, 1, 2, 0],
    [2, 29, 3, 16, 0],
    [3, 8, 2, 6, 0],
    [1, 5, 3, 26, 1000],
    [2, 3, 1, 64, 2 ** 20 - 3],
  ].map(([B, T, NH, hs, past]) => rotary(B, T, NH, hs, past)),
  ...attentions.flatMap(([B, T, NH, hs]) => [
    attention(B, T, NH, hs),
    ...[piecesOf(T), [{ past: 0, length: T }], [{ past: T, length: 1 }], [{ past: 2, length: Math.ceil(T / 2) }]].map(
      (pieces) => cachedAttention(B, NH, hs, T + 3, pieces),
    ),
  ]),
  ...both.flatMap((accumulate) =>
    [
      [1, 48, 211, 256],
      [29, 65, 211, 211],
      [145, 48, 65, 128],
      [7, 3, 1, 1],
    ].flatMap(([N, C, V, Vp]) => [
      ...[N, Math.ceil(N / 3)].map((rows) => head(N, C, V, Vp, accumulate, rows)),
      head(N, C, V, Vp, accumulate, Math.ceil(N / 3), true),
    ]),
  ),
];
