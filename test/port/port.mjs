/**
 * A port of GPT-2 in plain JavaScript, without dependencies and without anything of src/: reads llm.c's model file and token
 * file, makes one training step, and writes every tensor as safetensors.
 *
 *     node port.mjs MODEL.bin TOKENS.bin OUT.safetensors [fault]
 *
 * `fault` plants a mistake, for the test of `llm-ts verify --trace`.
 */
import { readFileSync, writeFileSync } from "node:fs";

const [modelPath, tokensPath, outPath, fault = ""] = process.argv.slice(2);
const has = (name) => fault === name;
const [B, T] = [2, 6];
const optimizer = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.1, clip: 1 };

// The model file: 256 int32, then float32 tensors, each for all layers.
const file = readFileSync(modelPath);
const int = (i) => file.readInt32LE(4 * i);
if (int(0) !== 20240326 || int(1) !== 3) throw new Error(`${modelPath} is no model of version 3`);
const [maxT, V, L, NH, C, Vp] = [2, 3, 4, 5, 6, 7].map(int);
const layout = [
  ["wte", 1, Vp * C],
  ["wpe", 1, maxT * C],
  ["ln1w", L, C],
  ["ln1b", L, C],
  ["qkvw", L, 3 * C * C],
  ["qkvb", L, 3 * C],
  ["attprojw", L, C * C],
  ["attprojb", L, C],
  ["ln2w", L, C],
  ["ln2b", L, C],
  ["fcw", L, 4 * C * C],
  ["fcb", L, 4 * C],
  ["fcprojw", L, 4 * C * C],
  ["fcprojb", L, C],
  ["lnfw", 1, C],
  ["lnfb", 1, C],
];
const weights = {};
let offset = 1024;
for (const [name, count, size] of layout)
  for (let l = 0; l < count; l++) {
    const key = /^(wte|wpe|lnf)/.test(name) ? name : `h.${l}.${name}`;
    weights[key] = Float32Array.from({ length: size }, (_, i) => file.readFloatLE(offset + 4 * i));
    offset += 4 * size;
  }

// The token file: 256 int32, then uint16.
const tokenFile = readFileSync(tokensPath);
const token = (i) => tokenFile.readUInt16LE(1024 + 2 * i);
const tokens = Int32Array.from({ length: B * T }, (_, n) => token(n));
const targets = Int32Array.from({ length: B * T }, (_, n) => token(has("not-shifted") ? n : n + 1));

/** Every tensor by name, in the order of computation. */
const dump = new Map();
const keep = (name, data, ...shape) => {
  dump.set(name, { data: Float32Array.from(data), shape });
  return data;
};
keep("tokens", tokens, B, T);
keep(
  "targets",
  Int32Array.from({ length: B * T }, (_, n) => token(n + 1)),
  B,
  T,
);
const N = B * T;
const hs = C / NH;
const zeros = (size) => new Float32Array(size);

function layernorm(name, x) {
  const [w, b] = [weights[`${name}w`], weights[`${name}b`]];
  const [out, means, rstds] = [zeros(N * C), zeros(N), zeros(N)];
  for (let n = 0; n < N; n++) {
    const row = x.subarray(n * C, n * C + C);
    const mean = row.reduce((a, v) => a + v, 0) / C;
    const variance = row.reduce((a, v) => a + (v - mean) ** 2, 0) / (has("bessel") ? C - 1 : C);
    const rstd = 1 / Math.sqrt(variance + 1e-5);
    for (let c = 0; c < C; c++) out[n * C + c] = (row[c] - mean) * rstd * w[c] + b[c];
    [means[n], rstds[n]] = [mean, rstd];
  }
  if (!has("bessel")) {
    keep(`${name}.mean`, means, B, T);
    keep(`${name}.rstd`, rstds, B, T);
  }
  return { out: keep(name, out, B, T, C), means, rstds, x };
}

function linear(result, x, weight, inputs, outputs, bias) {
  const out = zeros(N * outputs);
  const wrong = has("transposed") && result === "h.1.qkv";
  for (let n = 0; n < N; n++)
    for (let o = 0; o < outputs; o++) {
      let sum = bias && !(has("no-bias") && result === "h.0.fch") ? bias[o] : 0;
      for (let c = 0; c < inputs; c++) sum += x[n * inputs + c] * weight[wrong ? c * outputs + o : o * inputs + c];
      out[n * outputs + o] = sum;
    }
  return keep(result, out, B, T, outputs);
}

/** Calls `visit` for each pair of a query t and a key t2 it may see, of one head of one sequence. */
function pairs(visit) {
  for (let b = 0; b < B; b++)
    for (let h = 0; h < NH; h++) for (let t = 0; t < T; t++) visit(b, h, t, has("no-mask") ? T - 1 : t);
}
const place = (part, b, t, h) => (b * T + t) * 3 * C + part * C + h * hs;

function attention(prefix, qkv) {
  const [att, out] = [zeros(B * NH * T * T), zeros(N * C)];
  pairs((b, h, t, last) => {
    const scores = [];
    for (let t2 = 0; t2 <= last; t2++) {
      let dot = 0;
      for (let i = 0; i < hs; i++) dot += qkv[place(0, b, t, h) + i] * qkv[place(1, b, t2, h) + i];
      scores.push(has("no-scale") ? dot : dot / Math.sqrt(hs));
    }
    const most = Math.max(...scores);
    const exps = scores.map((s) => Math.exp(s - most));
    const sum = exps.reduce((a, e) => a + e, 0);
    for (let t2 = 0; t2 <= last; t2++) {
      const p = exps[t2] / sum;
      att[((b * NH + h) * T + t) * T + t2] = p;
      for (let i = 0; i < hs; i++) out[(b * T + t) * C + h * hs + i] += p * qkv[place(2, b, t2, h) + i];
    }
  });
  keep(`${prefix}att`, att, B, NH, T, T);
  return { att, out: keep(`${prefix}atty`, out, B, T, C) };
}

// Abramowitz and Stegun 7.1.26, to 1.5e-7.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - y * Math.exp(-x * x));
}
const root = Math.sqrt(2 / Math.PI);
const gelu = (x) =>
  has("erf") ? 0.5 * x * (1 + erf(x / Math.SQRT2)) : 0.5 * x * (1 + Math.tanh(root * (x + 0.044715 * x ** 3)));
const geluSlope = (x) => {
  const th = Math.tanh(root * (x + 0.044715 * x ** 3));
  return 0.5 * (1 + th) + 0.5 * x * (1 - th * th) * root * (1 + 3 * 0.044715 * x * x);
};
const add = (name, a, b) =>
  keep(
    name,
    Float32Array.from(a, (v, i) => v + b[i]),
    B,
    T,
    C,
  );

// Forward.
let stream = zeros(N * C);
for (let n = 0; n < N; n++)
  for (let c = 0; c < C; c++)
    stream[n * C + c] = weights.wte[tokens[n] * C + c] + weights.wpe[(n % T) * C + c + (has("positions") ? C : 0)];
keep("encoded", stream, B, T, C);
const layers = [];
for (let l = 0; l < L; l++) {
  const p = `h.${l}.`;
  const before = stream;
  const ln1 = layernorm(`${p}ln1`, before);
  const qkv = linear(`${p}qkv`, ln1.out, weights[`${p}qkvw`], C, 3 * C, weights[`${p}qkvb`]);
  const { att, out: atty } = attention(p, qkv);
  const projected = linear(`${p}attproj`, atty, weights[`${p}attprojw`], C, C, weights[`${p}attprojb`]);
  const residual2 = add(`${p}residual2`, has("no-residual") && l === 1 ? zeros(N * C) : before, projected);
  const ln2 = layernorm(`${p}ln2`, residual2);
  const fch = linear(`${p}fch`, ln2.out, weights[`${p}fcw`], C, 4 * C, weights[`${p}fcb`]);
  const fchgelu = keep(`${p}fchgelu`, fch.map(gelu), B, T, 4 * C);
  const fcproj = linear(`${p}fcproj`, fchgelu, weights[`${p}fcprojw`], 4 * C, C, weights[`${p}fcprojb`]);
  stream = add(`${p}residual3`, residual2, fcproj);
  layers.push({ p, ln1, qkv, att, atty, ln2, fch, fchgelu });
}
const lnf = layernorm("lnf", stream);
// With the padding of the vocabulary, as llm.c's program has it.
const logits = linear("logits", lnf.out, weights.wte, C, Vp);
const [losses, dlogits] = [zeros(N), zeros(N * Vp)];
const width = has("padding") ? Vp : V;
for (let n = 0; n < N; n++) {
  const row = [...logits.subarray(n * Vp, n * Vp + width)];
  const most = Math.max(...row);
  const sum = row.reduce((a, v) => a + Math.exp(v - most), 0);
  losses[n] = most + Math.log(sum) - row[targets[n]];
  for (let v = 0; v < width; v++)
    dlogits[n * Vp + v] = (Math.exp(row[v] - most) / sum - (v === targets[n] ? 1 : 0)) / (has("not-mean") ? 1 : N);
}
keep("losses", losses, B, T);
keep("loss", [losses.reduce((a, v) => a + v, 0) / N], 1);

// Backward.
const grads = Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, zeros(w.length)]));

function linearBackward(target, dout, x, weight, inputs, outputs, bias) {
  const dx = zeros(N * inputs);
  const [w, dw, db] = [weights[weight], grads[weight], bias && grads[bias]];
  for (let n = 0; n < N; n++)
    for (let o = 0; o < outputs; o++) {
      const dy = dout[n * outputs + o];
      if (db) db[o] += dy;
      for (let c = 0; c < inputs; c++) {
        dx[n * inputs + c] += dy * w[o * inputs + c];
        dw[o * inputs + c] += dy * x[n * inputs + c];
      }
    }
  return keep(target, dx, B, T, inputs);
}

function layernormBackward(target, name, { x, means, rstds }, dout, dstream) {
  const [w, dw, db] = [weights[`${name}w`], grads[`${name}w`], grads[`${name}b`]];
  const dx = has("overwritten") ? zeros(N * C) : Float32Array.from(dstream);
  for (let n = 0; n < N; n++) {
    const norm = (c) => (x[n * C + c] - means[n]) * rstds[n];
    let [a, b] = [0, 0];
    for (let c = 0; c < C; c++) {
      const dy = dout[n * C + c];
      dw[c] += dy * norm(c);
      db[c] += dy;
      a += (dy * w[c]) / C;
      b += (dy * w[c] * norm(c)) / C;
    }
    for (let c = 0; c < C; c++) dx[n * C + c] += rstds[n] * (dout[n * C + c] * w[c] - a - norm(c) * b);
  }
  return keep(target, dx, B, T, C);
}

keep("d.logits", dlogits, B, T, Vp);
const dlnf = linearBackward("d.lnf", dlogits, lnf.out, "wte", C, Vp);
let dstream = layernormBackward(`d.h.${L - 1}.residual3`, "lnf", lnf, dlnf, zeros(N * C));
for (let l = L - 1; l >= 0; l--) {
  const { p, ln1, qkv, att, atty, ln2, fch, fchgelu } = layers[l];
  const dfchgelu = linearBackward(`d.${p}fchgelu`, dstream, fchgelu, `${p}fcprojw`, 4 * C, C, `${p}fcprojb`);
  const dfch = keep(
    `d.${p}fch`,
    dfchgelu.map((dy, i) => dy * geluSlope(fch[i])),
    B,
    T,
    4 * C,
  );
  const dln2 = linearBackward(`d.${p}ln2`, dfch, ln2.out, `${p}fcw`, C, 4 * C, `${p}fcb`);
  dstream = layernormBackward(`d.${p}residual2`, `${p}ln2`, ln2, dln2, dstream);
  const datty = linearBackward(`d.${p}atty`, dstream, atty, `${p}attprojw`, C, C, `${p}attprojb`);
  const dqkv = zeros(N * 3 * C);
  pairs((b, h, t, last) => {
    const dout = datty.subarray((b * T + t) * C + h * hs);
    const probabilities = att.subarray(((b * NH + h) * T + t) * T);
    const datt = [];
    for (let t2 = 0; t2 <= last; t2++) {
      let dot = 0;
      for (let i = 0; i < hs; i++) {
        dot += dout[i] * qkv[place(2, b, t2, h) + i];
        dqkv[place(2, b, t2, h) + i] += probabilities[t2] * dout[i];
      }
      datt.push(dot);
    }
    const sum = has("no-softmax-sum") ? 0 : datt.reduce((a, v, t2) => a + v * probabilities[t2], 0);
    for (let t2 = 0; t2 <= last; t2++) {
      const ds = (probabilities[t2] * (datt[t2] - sum)) / Math.sqrt(hs);
      for (let i = 0; i < hs; i++) {
        dqkv[place(0, b, t, h) + i] += ds * qkv[place(1, b, t2, h) + i];
        dqkv[place(1, b, t2, h) + i] += ds * qkv[place(0, b, t, h) + i];
      }
    }
  });
  keep(`d.${p}qkv`, dqkv, B, T, 3 * C);
  const dln1 = linearBackward(`d.${p}ln1`, dqkv, ln1.out, `${p}qkvw`, C, 3 * C, `${p}qkvb`);
  dstream = layernormBackward(l > 0 ? `d.h.${l - 1}.residual3` : "d.encoded", `${p}ln1`, ln1, dln1, dstream);
}
if (has("head-alone")) dstream = new Float32Array(N * C);
for (let n = 0; n < N; n++)
  for (let c = 0; c < C; c++) {
    grads.wte[tokens[n] * C + c] += dstream[n * C + c];
    grads.wpe[(n % T) * C + c] += dstream[n * C + c];
  }

// Update.
const shapeOf = (name, { length }) => {
  if (name === "wte") return [Vp, C];
  if (name === "wpe") return [maxT, C];
  if (!/(qkv|proj|fc)w$/.test(name)) return [length];
  const inputs = name.endsWith("fcprojw") ? 4 * C : C;
  return [length / inputs, inputs];
};
for (const [name, g] of Object.entries(grads)) keep(`d.${name}`, g, ...shapeOf(name, g));
const norm = Math.sqrt(Object.values(grads).reduce((sum, g) => sum + g.reduce((a, v) => a + v * v, 0), 0));
keep("norm", [norm], 1);
const { lr, beta1, beta2, eps, decay, clip } = optimizer;
const clipping = has("no-clip") ? 1 : Math.min(1, clip / norm);
for (const [name, w] of Object.entries(weights)) {
  const g = grads[name].map((v) => v * clipping);
  const m = keep(
    `m.${name}`,
    g.map((v) => (1 - beta1) * v),
    ...shapeOf(name, w),
  );
  const v = keep(
    `v.${name}`,
    g.map((v) => (1 - beta2) * v * v),
    ...shapeOf(name, w),
  );
  const [c1, c2] = has("no-correction") ? [1, 1] : [1 - beta1, 1 - beta2];
  const decays = has("decay-all") || shapeOf(name, w).length > 1;
  const updated = w.map((p, i) => p - lr * (m[i] / c1 / (Math.sqrt(v[i] / c2) + eps) + (decays ? decay * p : 0)));
  keep(`new.${name}`, updated, ...shapeOf(name, w));
}

// The dump: 8 bytes of length, a JSON header, the numbers.
const header = {};
let at = 0;
for (const [name, { data, shape }] of dump) {
  header[name] = { dtype: "F32", shape, data_offsets: [at, at + data.byteLength] };
  at += data.byteLength;
}
const json = Buffer.from(JSON.stringify(header));
const length = Buffer.alloc(8);
length.writeBigUInt64LE(BigInt(json.length));
writeFileSync(
  outPath,
  Buffer.concat([length, json, ...[...dump.values()].map(({ data }) => Buffer.from(data.buffer))]),
);
console.log(`loss ${dump.get("loss").data[0].toFixed(6)}`);
