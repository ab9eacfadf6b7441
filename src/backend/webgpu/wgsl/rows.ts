/** Kernels over rows: layernorm, embedding, sums over columns. */

import { groupIndex, index, notFinite, ROW_THREADS, rowReductions, THREADS } from "./snippets.ts";
import type { Access, KernelSource } from "./source.ts";

/** Where a norm has no mean and bias, it is RMS norm. */
const meanOperand = (hasMean: boolean, access: Access): Readonly<Record<string, Access>> =>
  hasMean ? { mean: access } : {};

/**
 * One workgroup a row, of p.columns elements or vectors. A variance that overflows would make rstd 0 and the result finite: it
 * becomes NaN.
 */
export const layernormSource = (hasMean: boolean, vectors: boolean): KernelSource => ({
  operands: {
    out: vectors ? "w4" : "w",
    ...meanOperand(hasMean, "w"),
    rstd: "w",
    inp: vectors ? "r4" : "r",
    weight: vectors ? "r4" : "r",
    ...(hasMean ? { bias: vectors ? "r4" : "r" } : {}),
  },
  u32: ["N", "C", "columns"],
  f32: ["epsilon", "nan"],
  threads: ROW_THREADS,
  declarations: `${rowReductions}
${notFinite}
alias T = ${vectors ? "vec4<f32>" : "f32"};
fn inRow(x: T) -> f32 { return ${vectors ? "(x.x + x.y) + (x.z + x.w)" : "x"}; }`,
  body: `let n = ${groupIndex};
if (n >= p.N) { return; }
let row = n * p.columns;
var s = T();
for (var c = thread; c < p.columns; c += ${ROW_THREADS}u) { s += inp[row + c]; }
let m = ${hasMean ? "total(thread, inRow(s)) / f32(p.C)" : "0.0"};
s = T();
for (var c = thread; c < p.columns; c += ${ROW_THREADS}u) { let d = inp[row + c] - m; s += d * d; }
let variance = total(thread, inRow(s)) / f32(p.C);
let r = select(1.0 / sqrt(variance + p.epsilon), p.nan, notFinite(variance));
for (var c = thread; c < p.columns; c += ${ROW_THREADS}u) {
  out[row + c] = (inp[row + c] - m) * r * weight[c]${hasMean ? " + bias[c]" : ""};
}
if (thread == 0u) { ${hasMean ? "mean[n] = m; " : ""}rstd[n] = r; }`,
});

/** The gradient of the input: one workgroup a row. */
export const layernormBackwardSource = (hasMean: boolean): KernelSource => ({
  operands: { dinp: "w", dout: "r", inp: "r", weight: "r", ...meanOperand(hasMean, "r"), rstd: "r" },
  u32: ["N", "C"],
  threads: ROW_THREADS,
  declarations: rowReductions,
  body: `let n = ${groupIndex};
if (n >= p.N) { return; }
let row = n * p.C;
let m = ${hasMean ? "mean[n]" : "0.0"};
let r = rstd[n];
var s = 0.0;
var t = 0.0;
for (var c = thread; c < p.C; c += ${ROW_THREADS}u) {
  let dnorm = dout[row + c] * weight[c];
  s += dnorm;
  t += dnorm * (inp[row + c] - m) * r;
}
let dnormMean = ${hasMean ? "total(thread, s) / f32(p.C)" : "0.0"};
let dnormNormMean = total(thread, t) / f32(p.C);
for (var c = thread; c < p.C; c += ${ROW_THREADS}u) {
  let dnorm = dout[row + c] * weight[c];
  dinp[row + c] += r * (dnorm - dnormMean - (inp[row + c] - m) * r * dnormNormMean);
}`,
});

/** Columns of one workgroup of the two kernels below. */
export const COLUMNS = 64;

/** part (chunks, C): sums of dout's columns over `rows` rows at a time. */
export const columnSumsSource: KernelSource = {
  operands: { part: "w", dout: "r" },
  u32: ["N", "C", "rows"],
  threads: COLUMNS,
  body: `let c = group.x * ${COLUMNS}u + thread;
if (c >= p.C) { return; }
var s = 0.0;
for (var n = group.y * p.rows; n < min(p.N, (group.y + 1u) * p.rows); n++) { s += dout[n * p.C + c]; }
part[group.y * p.C + c] = s;`,
};

/** part (2, chunks, C): the same of dout * norm, and of dout: the gradients of a layernorm's weight and bias. */
export const layernormColumnsSource = (hasMean: boolean): KernelSource => ({
  operands: { part: "w", dout: "r", inp: "r", ...meanOperand(hasMean, "r"), rstd: "r" },
  u32: ["N", "C", "rows", "chunks"],
  threads: COLUMNS,
  body: `let c = group.x * ${COLUMNS}u + thread;
if (c >= p.C) { return; }
var s = 0.0;
var t = 0.0;
for (var n = group.y * p.rows; n < min(p.N, (group.y + 1u) * p.rows); n++) {
  let d = dout[n * p.C + c];
  s += d;
  t += d * (inp[n * p.C + c]${hasMean ? " - mean[n]" : ""}) * rstd[n];
}
part[group.y * p.C + c] = t;
part[(p.chunks + group.y) * p.C + c] = s;`,
});

/** out (n elements, or vectors) = the sum of part's rows from p.first on, or added to it. */
export const addRowsSource = (vectors: boolean): KernelSource => ({
  operands: vectors ? { out: "w4", part: "r4" } : { out: "w", part: "r" },
  u32: ["n", "first", "rows", "accumulate"],
  threads: THREADS,
  body: `let i = ${index()};
if (i >= p.n) { return; }
var s = ${vectors ? "vec4<f32>()" : "0.0"};
for (var r = p.first; r < p.first + p.rows; r++) { s += part[r * p.n + i]; }
if (p.accumulate == 1u) { s += out[i]; }
out[i] = s;`,
});

/** Rows of wte from p.first to p.end: others are other dispatches', where wte is larger than a binding. */
export const embeddingSource = (hasPositions: boolean): KernelSource => ({
  operands: { out: "w", tokens: "r", wte: "r", ...(hasPositions ? { wpe: "r" } : {}) },
  u32: ["n", "T", "C", "past", "first", "end"],
  threads: THREADS,
  body: `let i = ${index()};
if (i >= p.n) { return; }
let row = i / p.C;
let c = i % p.C;
let token = u32(tokens[row]);
if (token < p.first || token >= p.end) { return; }
out[i] = wte[(token - p.first) * p.C + c]${hasPositions ? " + wpe[(p.past + row % p.T) * p.C + c]" : ""};`,
});

/**
 * A workgroup a position; only a token's first position works, and adds the rows of all its positions in order: no atomics,
 * the same bits each time.
 */
export const embeddingBackwardSource: KernelSource = {
  operands: { dwte: "w", dout: "r", tokens: "r" },
  u32: ["N", "C", "first", "end"],
  threads: ROW_THREADS,
  declarations: rowReductions,
  body: `let n = ${groupIndex};
if (n >= p.N) { return; }
let token = tokens[n];
if (u32(token) < p.first || u32(token) >= p.end) { return; }
var earlier = 0.0;
for (var i = thread; i < n; i += ${ROW_THREADS}u) { if (tokens[i] == token) { earlier = 1.0; } }
if (greatest(thread, earlier) > 0.5) { return; }
let row = (u32(token) - p.first) * p.C;
for (var c = thread; c < p.C; c += ${ROW_THREADS}u) {
  var s = dwte[row + c];
  for (var i = n; i < p.N; i++) { if (tokens[i] == token) { s += dout[i * p.C + c]; } }
  dwte[row + c] = s;
}`,
};

/** dwpe (T,C) += the sum of dout (B,T,C) over the batch. */
export const positionsBackwardSource: KernelSource = {
  operands: { dwpe: "w", dout: "r" },
  u32: ["n", "B"],
  threads: THREADS,
  body: `let i = ${index()};
if (i >= p.n) { return; }
var s = dwpe[i];
for (var b = 0u; b < p.B; b++) { s += dout[b * p.n + i]; }
dwpe[i] = s;`,
};

/**
 * losses = log of the sum of exp(logits) - the target's logit, over the first V of Vp columns. With the gradient, it takes
 * the logits' place. A logit that is not finite gives NaN, minus infinity as well; a negative target gives zeros.
 */
export const softmaxSource = (gradient: boolean): KernelSource => ({
  operands: { losses: "w", logits: gradient ? "w" : "r", targets: "r" },
  u32: ["rows", "V", "Vp"],
  f32: ["scale", "nan"],
  threads: ROW_THREADS,
  declarations: `${rowReductions}\n${notFinite}`,
  body: `let n = ${groupIndex};
if (n >= p.rows) { return; }
let row = n * p.Vp;
let ignored = targets[n] < 0;
let aim = u32(max(targets[n], 0));
var m = -3.4e38;
for (var v = thread; v < p.V; v += ${ROW_THREADS}u) { m = max(m, logits[row + v]); }
m = greatest(thread, m);
var s = 0.0;
for (var v = thread; v < p.V; v += ${ROW_THREADS}u) {
  let x = logits[row + v];
  s += select(exp(x - m), p.nan, notFinite(x));
}
s = total(thread, s);
if (thread == 0u) { losses[n] = select(log(s) + (m - logits[row + aim]), 0.0, ignored); }
${
  gradient
    ? `storageBarrier();
for (var v = thread; v < p.Vp; v += ${ROW_THREADS}u) {
  var g = 0.0;
  if (v < p.V && !ignored) { g = (exp(logits[row + v] - m) / s - select(0.0, 1.0, v == aim)) * p.scale; }
  logits[row + v] = g;
}`
    : ""
}`,
});
