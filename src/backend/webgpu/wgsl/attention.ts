/**
 * Attention as FlashAttention computes it (Dao et al., 2022): scores exist in workgroup memory only, a tile of 32 queries by
 * 32 keys at a time, and are computed again for the backward. A workgroup of 8 x 8 threads has one head's 32 rows; thread
 * (tx, ty) has 4 x 4 scores of a tile, of rows 4 ty … 4 ty + 3 and columns 4 tx … 4 tx + 3, and of results the same rows by
 * every eighth vector of four channels. No atomics: one kernel gathers what flows to queries, another what flows to keys
 * and values.
 *
 * `saved` (B,NH,T,2) holds each row's largest score and one over its sum of exponentials, as in the wasm backend: the
 * logarithm of the sum, one number, would be too coarse beside large scores.
 *
 * Tiles of queries, keys and values lie row by row, in vectors of four channels; every four rows these are in another
 * order, and rows of scores are one vector longer than they need to be, so that neighbouring threads read from different
 * banks of memory. Loops over 4 have constant bounds, which drivers unroll.
 */
import { each, notFinite } from "./snippets.ts";
import type { KernelSource } from "./source.ts";

/** Rows of a tile. */
export const TILE = 32;
/** Vectors between rows of scores. */
const ROW = TILE / 4 + 1;

export interface AttentionForm {
  /** Channels of a head. */
  readonly hs: number;
  /** True if rows can be read and written in vectors of four. */
  readonly vectors: boolean;
}

export interface AttentionOptions {
  /** Keys and values are in a cache, else in qkv. */
  readonly cache: boolean;
  /** Keep what the backward needs. */
  readonly save: boolean;
}

/** Vectors of a row of `hs` channels, the last one filled with zeros. */
const vectorsOf = (hs: number) => Math.ceil(hs / 4);

/** Vectors of a row that one thread has. */
const shareOf = (hs: number) => Math.ceil(vectorsOf(hs) / 8);

/** Bytes of workgroup memory of the largest kernel, for heads of `hs` channels. */
export const attentionBytes = (hs: number) => 16 * (3 * vectorsOf(hs) * TILE + TILE * ROW) + 4 * 8 * TILE;

const tile = (name: string, hs: number) => `var<workgroup> ${name}: array<vec4<f32>, ${vectorsOf(hs) * TILE}>;`;
const memory = (tiles: readonly string[], { hs }: AttentionForm) => `${tiles.map((name) => tile(name, hs)).join("\n")}
var<workgroup> weights: array<vec4<f32>, ${TILE * ROW}>;
var<workgroup> rows: array<f32, ${8 * TILE}>;
${functions(hs)}`;

/**
 * spot: where vector c of row r lies in a tile. exponentials: exp(score - largest) where a key is seen, else 0; NaN for a
 * score that is not finite, below as well.
 */
const functions = (hs: number) => `${notFinite}
fn spot(r: u32, c: u32) -> u32 { return r * ${vectorsOf(hs)}u + (c ^ ((r >> 2u) & ${orders(hs) - 1}u)); }
fn exponentials(score: vec4<f32>, most: vec4<f32>, seen: vec4<bool>) -> vec4<f32> {
  let bad = (bitcast<vec4<u32>>(score) & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u);
  return select(vec4<f32>(), select(exp(score - most), vec4<f32>(p.nan), bad), seen);
}
fn sumOf(x: vec4<f32>) -> f32 { return (x.x + x.y) + (x.z + x.w); }`;

/** In how many orders a row's vectors can be by exclusive or: the largest power of two that divides their number, up to 8. */
const orders = (hs: number) => [8, 4, 2, 1].find((n) => vectorsOf(hs) % n === 0) ?? 1;

/** load(thread, base, stride, first, end): rows first … first+31 of `operand` into the tile `into`, zero from `end` on. */
function loader(name: string, into: string, operand: string, { hs, vectors }: AttentionForm): string {
  const get = vectors
    ? `v = ${operand}[(base + row * stride) / 4u + c];`
    : `for (var e = 0u; e < 4u && c * 4u + e < ${hs}u; e++) { v[e] = ${operand}[base + row * stride + c * 4u + e]; }`;
  return `fn load${name}(thread: u32, base: u32, stride: u32, first: u32, end: u32) {
  for (var b = thread; b < ${TILE * vectorsOf(hs)}u; b += 64u) {
    let c = b % ${vectorsOf(hs)}u;
    let r = b / ${vectorsOf(hs)}u;
    let row = first + r;
    var v = vec4<f32>();
    if (row < end) { ${get} }
    ${into}[spot(r, c)] = v;
  }
}`;
}

/**
 * name[i][j]: the product of row 4 ty + i of X and row 4 tx + j of Y. Zeros are written out: of a variable that is declared
 * without a value in a loop, Tint (Dawn 2026) makes one that keeps its value.
 */
const dots = (name: string, X: string, Y: string, { hs }: AttentionForm) => `var ${name} = array<vec4<f32>, 4>();
for (var c = 0u; c < ${vectorsOf(hs)}u; c++) {
${each(4, (j) => `let y${j} = ${Y}[spot(tx * 4u + ${j}u, c)];`)}
  let y = transpose(mat4x4<f32>(y0, y1, y2, y3));
${each(4, (i) => `{ let x = ${X}[spot(ty * 4u + ${i}u, c)]; ${name}[${i}] = ${name}[${i}] + x.x * y[0] + x.y * y[1] + x.z * y[2] + x.w * y[3]; }`)}
}`;

/** Sums of four rows by a thread's vectors of channels. */
const sums = (name: string, { hs }: AttentionForm) => `var ${name}: array<array<vec4<f32>, ${shareOf(hs)}>, 4>;`;

/** Adds weights (rows by columns) times Z (columns by channels) to the sums `name`. */
const gather = (name: string, Z: string, { hs }: AttentionForm) => `for (var g = 0u; g < ${TILE / 4}u; g++) {
${each(4, (i) => `let w${i} = weights[(ty * 4u + ${i}u) * ${ROW}u + g];`)}
${each(
  shareOf(hs),
  (j) => `{ let c = tx + ${8 * j}u;
if (c < ${vectorsOf(hs)}u) {
${each(4, (e) => `let z${e} = ${Z}[spot(g * 4u + ${e}u, c)];`)}
${each(4, (i) => `${name}[${i}][${j}] = ${name}[${i}][${j}] + w${i}.x * z0 + w${i}.y * z1 + w${i}.z * z2 + w${i}.w * z3;`)}
} }`,
)}
}`;

/** For each of a thread's rows i, `body`. */
const everyRow = (body: string) => `for (var i = 0u; i < 4u; i++) {
${body}
}`;

/** Of row i: writes `value(j)` for each vector of channels that a thread has, from element `at` on. */
const put = (
  operand: string,
  at: string,
  value: string,
  { hs, vectors }: AttentionForm,
) => `for (var j = 0u; j < ${shareOf(hs)}u; j++) {
  let c = tx + 8u * j;
  if (c >= ${vectorsOf(hs)}u) { continue; }
  let v = ${value};
  ${
    vectors
      ? `${operand}[(${at}) / 4u + c] = v;`
      : `for (var e = 0u; e < 4u && c * 4u + e < ${hs}u; e++) { ${operand}[${at} + c * 4u + e] = v[e]; }`
  }
}`;

/** Four columns' indices, from `first` on. */
const columns = (first: string) => `vec4<u32>(${first} + tx * 4u) + vec4<u32>(0u, 1u, 2u, 3u)`;

/** Of row i: where its weights lie, and where the threads of a row meet. */
const SCORES = `weights[(ty * 4u + i) * ${ROW}u + tx]`;
const MINE = "rows[(ty * 4u + i) * 8u + tx]";
const OF_ROW = "rows[(ty * 4u + i) * 8u + e]";

const place = `let tx = thread % 8u;
let ty = thread / 8u;
let b = group.z;
let h = group.y;
let first = group.x * ${TILE}u;`;

const read = ({ vectors }: AttentionForm) => (vectors ? ("r4" as const) : ("r" as const));
const write = ({ vectors }: AttentionForm) => (vectors ? ("w4" as const) : ("w" as const));

/** From qkv itself, or from a cache of p.S positions a sequence, `past` of which are there. */
export function attentionSource(form: AttentionForm, { cache, save }: AttentionOptions): KernelSource {
  const { hs } = form;
  const [keys, values] = cache ? ["keys", "values"] : ["qkv", "qkv"];
  return {
    operands: {
      out: write(form),
      qkv: read(form),
      ...(cache ? { keys: read(form), values: read(form) } : {}),
      ...(save ? { saved: "w" as const } : {}),
    },
    u32: ["T", "C", "NH", "hs", "past", "S"],
    f32: ["scale", "nan"],
    threads: 64,
    declarations: `${memory(["queries", "others"], form)}
${loader("Queries", "queries", "qkv", form)}
${loader("Keys", "others", keys, form)}
${loader("Values", "others", values, form)}`,
    body: `${place}
let base = b * p.T * 3u * p.C + h * ${hs}u;
${
  cache
    ? `let keyBase = b * p.S * p.C + h * ${hs}u;
let valueBase = keyBase;
let stride = p.C;`
    : `let keyBase = base + p.C;
let valueBase = base + 2u * p.C;
let stride = 3u * p.C;`
}
loadQueries(thread, base, 3u * p.C, first, p.T);
${sums("sum", form)}
var most = vec4<f32>(-3.4e38);
var total = vec4<f32>();
let end = p.past + min(first + ${TILE}u, p.T);
for (var k0 = 0u; k0 < end; k0 += ${TILE}u) {
  workgroupBarrier();
  loadKeys(thread, keyBase, stride, k0, end);
  workgroupBarrier();
  ${dots("s", "queries", "others", form)}
  let column = ${columns("k0")};
  let last = p.past + first + ty * 4u;
  ${everyRow(`s[i] *= p.scale;
let x = select(vec4<f32>(-3.4e38), s[i], column <= vec4<u32>(last + i));
${MINE} = max(max(x.x, x.y), max(x.z, x.w));`)}
  workgroupBarrier();
  var larger = most;
  ${everyRow(`for (var e = 0u; e < 8u; e++) { larger[i] = max(larger[i], ${OF_ROW}); }`)}
  let shrink = exp(most - larger);
  most = larger;
  workgroupBarrier();
  ${everyRow(`s[i] = exponentials(s[i], vec4<f32>(most[i]), column <= vec4<u32>(last + i));
${SCORES} = s[i];
${MINE} = sumOf(s[i]);`)}
  loadValues(thread, valueBase, stride, k0, end);
  workgroupBarrier();
  ${everyRow(`var t = total[i] * shrink[i];
for (var e = 0u; e < 8u; e++) { t += ${OF_ROW}; }
total[i] = t;
for (var j = 0u; j < ${shareOf(hs)}u; j++) { sum[i][j] *= shrink[i]; }`)}
  ${gather("sum", "others", form)}
}
${everyRow(`let t = first + ty * 4u + i;
if (t >= p.T) { continue; }
let inverse = 1.0 / total[i];
${put("out", `(b * p.T + t) * p.C + h * ${hs}u`, "sum[i][j] * inverse", form)}
${save ? "if (tx == 0u) { let row = 2u * ((b * p.NH + h) * p.T + t); saved[row] = most[i]; saved[row + 1u] = inverse; }" : ""}`)}`,
  };
}

const backwardOperands = (form: AttentionForm) =>
  ({ dqkv: write(form), dout: read(form), qkv: read(form), saved: "r" }) as const;

const backwardPlace = (hs: number) => `${place}
let base = b * p.T * 3u * p.C + h * ${hs}u;
let keyBase = base + p.C;
let valueBase = base + 2u * p.C;
let doutBase = b * p.T * p.C + h * ${hs}u;
let stats = (b * p.NH + h) * p.T;`;

/**
 * dquery = scale * sum of p (dp - D) key = scale * (sum of p dp key - D * sum of p key), where D, the sum of p dp, is known
 * only in the end; so both sums are gathered. D (B,NH,T) is kept for the other kernel.
 */
export function queriesBackwardSource(form: AttentionForm): KernelSource {
  const { hs } = form;
  return {
    operands: { ...backwardOperands(form), D: "w" },
    u32: ["T", "C", "NH", "hs"],
    f32: ["scale", "nan"],
    threads: 64,
    declarations: `${memory(["queries", "douts", "others"], form)}
${loader("Queries", "queries", "qkv", form)}
${loader("Douts", "douts", "dout", form)}
${loader("Others", "others", "qkv", form)}`,
    body: `${backwardPlace(hs)}
loadQueries(thread, base, 3u * p.C, first, p.T);
loadDouts(thread, doutBase, p.C, first, p.T);
var most = vec4<f32>();
var inverse = vec4<f32>();
${everyRow(`let t = first + ty * 4u + i;
if (t < p.T) { most[i] = saved[2u * (stats + t)]; inverse[i] = saved[2u * (stats + t) + 1u]; }`)}
${sums("both", form)}
${sums("plain", form)}
var pdp = vec4<f32>();
let end = min(first + ${TILE}u, p.T);
for (var k0 = 0u; k0 < end; k0 += ${TILE}u) {
  workgroupBarrier();
  loadOthers(thread, valueBase, 3u * p.C, k0, end);
  workgroupBarrier();
  ${dots("dp", "douts", "others", form)}
  workgroupBarrier();
  loadOthers(thread, keyBase, 3u * p.C, k0, end);
  workgroupBarrier();
  ${dots("s", "queries", "others", form)}
  let column = ${columns("k0")};
  ${everyRow(`s[i] = exponentials(s[i] * p.scale, vec4<f32>(most[i]), column <= vec4<u32>(first + ty * 4u + i)) * inverse[i];
dp[i] *= s[i];
pdp[i] += sumOf(dp[i]);
${SCORES} = s[i];`)}
  workgroupBarrier();
  ${gather("plain", "others", form)}
  workgroupBarrier();
  ${everyRow(`${SCORES} = dp[i];`)}
  workgroupBarrier();
  ${gather("both", "others", form)}
}
${everyRow(`${MINE} = pdp[i];`)}
workgroupBarrier();
${everyRow(`let t = first + ty * 4u + i;
var d = 0.0;
for (var e = 0u; e < 8u; e++) { d += ${OF_ROW}; }
if (t >= p.T) { continue; }
if (tx == 0u) { D[stats + t] = d; }
${put("dqkv", `(b * p.T + t) * 3u * p.C + h * ${hs}u`, "p.scale * (both[i][j] - d * plain[i][j])", form)}`)}`,
  };
}

/** Rows of the tile are keys, its columns the queries that see them: dvalue = sum of p dout, dkey = scale * sum of p (dp - D) query. */
export function keysBackwardSource(form: AttentionForm): KernelSource {
  const { hs } = form;
  return {
    operands: { ...backwardOperands(form), D: "r" },
    u32: ["T", "C", "NH", "hs"],
    f32: ["scale", "nan"],
    threads: 64,
    declarations: `${memory(["keys", "values", "others"], form)}
${loader("Keys", "keys", "qkv", form)}
${loader("Values", "values", "qkv", form)}
${loader("Queries", "others", "qkv", form)}
${loader("Douts", "others", "dout", form)}`,
    body: `${backwardPlace(hs)}
loadKeys(thread, keyBase, 3u * p.C, first, p.T);
loadValues(thread, valueBase, 3u * p.C, first, p.T);
${sums("dkey", form)}
${sums("dvalue", form)}
for (var q0 = first; q0 < p.T; q0 += ${TILE}u) {
  workgroupBarrier();
  loadQueries(thread, base, 3u * p.C, q0, p.T);
  workgroupBarrier();
  ${dots("s", "keys", "others", form)}
  let column = ${columns("q0")};
  var most = vec4<f32>();
  var inverse = vec4<f32>();
  var d = vec4<f32>();
  for (var j = 0u; j < 4u; j++) {
    if (column[j] >= p.T) { continue; }
    let row = stats + column[j];
    most[j] = saved[2u * row];
    inverse[j] = saved[2u * row + 1u];
    d[j] = D[row];
  }
  ${everyRow(`let seen = (column < vec4<u32>(p.T)) & (column >= vec4<u32>(first + ty * 4u + i));
s[i] = exponentials(s[i] * p.scale, most, seen) * inverse;
${SCORES} = s[i];`)}
  workgroupBarrier();
  loadDouts(thread, doutBase, p.C, q0, p.T);
  workgroupBarrier();
  ${dots("dp", "values", "others", form)}
  ${gather("dvalue", "others", form)}
  workgroupBarrier();
  loadQueries(thread, base, 3u * p.C, q0, p.T);
  ${everyRow(`${SCORES} = s[i] * (dp[i] - d);`)}
  workgroupBarrier();
  ${gather("dkey", "others", form)}
}
${everyRow(`let t = first + ty * 4u + i;
if (t >= p.T) { continue; }
let at = (b * p.T + t) * 3u * p.C + h * ${hs}u;
${put("dqkv", "at + p.C", "p.scale * dkey[i][j]", form)}
${put("dqkv", "at + 2u * p.C", "dvalue[i][j]", form)}`)}`,
  };
}
/** Puts new keys (part 1) or values (part 2) of qkv (B,T,3C) into a cache (B,S,C), behind the `past` ones. */
export const rememberSource: KernelSource = {
  operands: { cache: "w", qkv: "r" },
  u32: ["n", "T", "C", "S", "past", "part"],
  threads: 256,
  body: `let i = (group.y * groups.x + group.x) * 256u + thread;
if (i >= p.n) { return; }
let c = i % p.C;
let row = i / p.C;
cache[((row / p.T) * p.S + p.past + row % p.T) * p.C + c] = qkv[row * 3u * p.C + p.part * p.C + c];`,
};
