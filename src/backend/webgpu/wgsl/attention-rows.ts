/**
 * Attention a row at a time, where tiles do not serve: a few new positions beside a cache, and heads of so many channels
 * that no tile of them fits workgroup memory. A workgroup of 64 threads has one row; each thread has one of 64 scores at a
 * time, and of the result every 64th channel, which it adds up where it ends.
 */
import type { AttentionOptions } from "./attention.ts";
import { notFinite, ROW_THREADS, rowReductions } from "./snippets.ts";
import type { KernelSource } from "./source.ts";

const place = `let t = group.x;
let h = group.y;
let b = group.z;
let query = (b * p.T + t) * 3u * p.C + h * p.hs;
let row = (b * p.T + t) * p.C + h * p.hs;
let stats = (b * p.NH + h) * p.T;`;

const shared = `${rowReductions}
${notFinite}
var<workgroup> weights: array<f32, ${ROW_THREADS}>;
var<workgroup> others: array<f32, ${ROW_THREADS}>;
fn exponential(score: f32, most: f32) -> f32 { return select(exp(score - most), p.nan, notFinite(score)); }`;

const dimensions = ["T", "C", "NH", "hs"] as const;

export function attentionRowsSource({ cache, save }: AttentionOptions): KernelSource {
  const [keys, values] = cache ? ["keys", "values"] : ["qkv", "qkv"];
  return {
    operands: {
      out: "w",
      qkv: "r",
      ...(cache ? { keys: "r" as const, values: "r" as const } : {}),
      ...(save ? { saved: "w" as const } : {}),
    },
    u32: [...dimensions, "past", "S"],
    f32: ["scale", "nan"],
    threads: ROW_THREADS,
    declarations: shared,
    body: `${place}
${
  cache
    ? `let keyBase = b * p.S * p.C + h * p.hs;
let valueBase = keyBase;
let stride = p.C;`
    : `let keyBase = b * p.T * 3u * p.C + p.C + h * p.hs;
let valueBase = keyBase + p.C;
let stride = 3u * p.C;`
}
let end = p.past + t + 1u;
var most = -3.4e38;
var total_ = 0.0;
for (var k0 = 0u; k0 < end; k0 += ${ROW_THREADS}u) {
  let k = k0 + thread;
  var s = -3.4e38;
  if (k < end) {
    s = 0.0;
    for (var i = 0u; i < p.hs; i++) { s += qkv[query + i] * ${keys}[keyBase + k * stride + i]; }
    s *= p.scale;
  }
  let larger = max(most, greatest(thread, s));
  let shrink = exp(most - larger);
  most = larger;
  var w = 0.0;
  if (k < end) { w = exponential(s, most); }
  weights[thread] = w;
  total_ = total_ * shrink + total(thread, w);
  for (var c = thread; c < p.hs; c += ${ROW_THREADS}u) {
    var sum = 0.0;
    if (k0 > 0u) { sum = out[row + c] * shrink; }
    for (var j = 0u; j < min(${ROW_THREADS}u, end - k0); j++) { sum += weights[j] * ${values}[valueBase + (k0 + j) * stride + c]; }
    out[row + c] = sum;
  }
  workgroupBarrier();
}
for (var c = thread; c < p.hs; c += ${ROW_THREADS}u) { out[row + c] /= total_; }
${save ? "if (thread == 0u) { saved[2u * (stats + t)] = most; saved[2u * (stats + t) + 1u] = 1.0 / total_; }" : ""}`,
  };
}

/** dquery, and D: two passes over the keys, the first of which finds D. */
export const queryRowsBackwardSource: KernelSource = {
  operands: { dqkv: "w", dout: "r", qkv: "r", saved: "r", D: "w" },
  u32: dimensions,
  f32: ["scale", "nan"],
  threads: ROW_THREADS,
  declarations: shared,
  body: `${place}
let keyBase = b * p.T * 3u * p.C + p.C + h * p.hs;
let most = saved[2u * (stats + t)];
let inverse = saved[2u * (stats + t) + 1u];
var d = 0.0;
for (var pass_ = 0u; pass_ < 2u; pass_++) {
  var mine = 0.0;
  for (var k0 = 0u; k0 <= t; k0 += ${ROW_THREADS}u) {
    let k = k0 + thread;
    var w = 0.0;
    var dp = 0.0;
    if (k <= t) {
      var s = 0.0;
      for (var i = 0u; i < p.hs; i++) {
        s += qkv[query + i] * qkv[keyBase + k * 3u * p.C + i];
        dp += dout[row + i] * qkv[keyBase + p.C + k * 3u * p.C + i];
      }
      w = exponential(s * p.scale, most) * inverse;
    }
    mine += w * dp;
    if (pass_ == 0u) { continue; }
    workgroupBarrier();
    weights[thread] = w * (dp - d) * p.scale;
    workgroupBarrier();
    for (var c = thread; c < p.hs; c += ${ROW_THREADS}u) {
      var sum = 0.0;
      if (k0 > 0u) { sum = dqkv[query + c]; }
      for (var j = 0u; j < min(${ROW_THREADS}u, t + 1u - k0); j++) { sum += weights[j] * qkv[keyBase + (k0 + j) * 3u * p.C + c]; }
      dqkv[query + c] = sum;
    }
  }
  if (pass_ == 0u) { d = total(thread, mine); }
}
if (thread == 0u) { D[stats + t] = d; }`,
};

/** Row t is a key's: dkey and dvalue, from the queries that see it. */
export const keyRowsBackwardSource: KernelSource = {
  operands: { dqkv: "w", dout: "r", qkv: "r", saved: "r", D: "r" },
  u32: dimensions,
  f32: ["scale", "nan"],
  threads: ROW_THREADS,
  declarations: shared,
  body: `${place}
let key = query + p.C;
for (var q0 = t; q0 < p.T; q0 += ${ROW_THREADS}u) {
  let q = q0 + thread;
  var w = 0.0;
  var ds = 0.0;
  if (q < p.T) {
    let other = (b * p.T + q) * 3u * p.C + h * p.hs;
    let douts = (b * p.T + q) * p.C + h * p.hs;
    var s = 0.0;
    var dp = 0.0;
    for (var i = 0u; i < p.hs; i++) {
      s += qkv[other + i] * qkv[key + i];
      dp += dout[douts + i] * qkv[key + p.C + i];
    }
    w = exponential(s * p.scale, saved[2u * (stats + q)]) * saved[2u * (stats + q) + 1u];
    ds = w * (dp - D[stats + q]) * p.scale;
  }
  workgroupBarrier();
  weights[thread] = w;
  others[thread] = ds;
  workgroupBarrier();
  for (var c = thread; c < p.hs; c += ${ROW_THREADS}u) {
    var dkey = 0.0;
    var dvalue = 0.0;
    if (q0 > t) { dkey = dqkv[key + c]; dvalue = dqkv[key + p.C + c]; }
    for (var j = 0u; j < min(${ROW_THREADS}u, p.T - q0); j++) {
      let other = b * p.T + q0 + j;
      dkey += others[j] * qkv[other * 3u * p.C + h * p.hs + c];
      dvalue += weights[j] * dout[other * p.C + h * p.hs + c];
    }
    dqkv[key + c] = dkey;
    dqkv[key + p.C + c] = dvalue;
  }
}`,
};
