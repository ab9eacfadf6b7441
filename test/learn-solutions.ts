/** Solutions of all exercises: the lines that replace "// Your lines." in the files that `llm-ts learn` writes. */
import { type Language, sourceOf } from "../src/learn/source.ts";

export const solutions: Readonly<Record<string, string>> = {
  "01-embedding": `
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let c = 0; c < C; c++) out[(b * T + t) * C + c] = wte[tokens[b * T + t] * C + c] + wpe[t * C + c];`,
  "02-layernorm": `
  for (let n = 0; n < N; n++) {
    const row = inp.subarray(n * C, (n + 1) * C);
    let m = 0;
    for (const x of row) m += x / C;
    let variance = 0;
    for (const x of row) variance += (x - m) ** 2 / C;
    const r = 1 / Math.sqrt(variance + 1e-5);
    for (let c = 0; c < C; c++) out[n * C + c] = (row[c] - m) * r * weight[c] + bias[c];
    mean[n] = m;
    rstd[n] = r;
  }`,
  "03-matmul": `
  for (let n = 0; n < N; n++)
    for (let o = 0; o < OC; o++) {
      let sum = bias[o];
      for (let c = 0; c < C; c++) sum += inp[n * C + c] * weight[o * C + c];
      out[n * OC + o] = sum;
    }`,
  "04-softmax": `
  for (let n = 0; n < N; n++) {
    let largest = -Infinity;
    for (let v = 0; v < V; v++) largest = Math.max(largest, inp[n * V + v]);
    let sum = 0;
    for (let v = 0; v < V; v++) sum += Math.exp(inp[n * V + v] - largest);
    for (let v = 0; v < V; v++) out[n * V + v] = Math.exp(inp[n * V + v] - largest) / sum;
  }`,
  "05-attention": `
  for (let b = 0; b < B; b++)
    for (let h = 0; h < NH; h++)
      for (let t = 0; t < T; t++) {
        const query = (b * T + t) * 3 * C + h * hs;
        const row = ((b * NH + h) * T + t) * T;
        let largest = -Infinity;
        for (let t2 = 0; t2 <= t; t2++) {
          const key = (b * T + t2) * 3 * C + C + h * hs;
          let dot = 0;
          for (let i = 0; i < hs; i++) dot += qkv[query + i] * qkv[key + i];
          att[row + t2] = dot / Math.sqrt(hs);
          largest = Math.max(largest, att[row + t2]);
        }
        let sum = 0;
        for (let t2 = 0; t2 <= t; t2++) sum += Math.exp(att[row + t2] - largest);
        for (let t2 = 0; t2 <= t; t2++) {
          const value = (b * T + t2) * 3 * C + 2 * C + h * hs;
          att[row + t2] = Math.exp(att[row + t2] - largest) / sum;
          for (let i = 0; i < hs; i++) out[(b * T + t) * C + h * hs + i] += att[row + t2] * qkv[value + i];
        }
      }`,
  "06-gelu": `
  for (let i = 0; i < inp.length; i++) {
    const x = inp[i];
    out[i] = 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  }`,
  "07-loss": `
  for (let n = 0; n < N; n++) {
    let largest = -Infinity;
    for (let v = 0; v < V; v++) largest = Math.max(largest, logits[n * Vp + v]);
    let sum = 0;
    for (let v = 0; v < V; v++) sum += Math.exp(logits[n * Vp + v] - largest);
    losses[n] = largest + Math.log(sum) - logits[n * Vp + targets[n]];
  }`,
  "08-loss-backward": `
  for (let n = 0; n < N; n++) {
    let largest = -Infinity;
    for (let v = 0; v < V; v++) largest = Math.max(largest, logits[n * Vp + v]);
    let sum = 0;
    for (let v = 0; v < V; v++) sum += Math.exp(logits[n * Vp + v] - largest);
    for (let v = 0; v < V; v++) {
      const prob = Math.exp(logits[n * Vp + v] - largest) / sum;
      dlogits[n * Vp + v] = (prob - (v === targets[n] ? 1 : 0)) / N;
    }
  }`,
  "09-matmul-backward": `
  for (let n = 0; n < N; n++)
    for (let o = 0; o < OC; o++) {
      const dy = dout[n * OC + o];
      dbias[o] += dy;
      for (let c = 0; c < C; c++) {
        dinp[n * C + c] += dy * weight[o * C + c];
        dweight[o * C + c] += dy * inp[n * C + c];
      }
    }`,
  "10-gelu-backward": `
  const s = Math.sqrt(2 / Math.PI);
  for (let i = 0; i < inp.length; i++) {
    const x = inp[i];
    const th = Math.tanh(s * (x + 0.044715 * x ** 3));
    const cdf = 0.5 * (1 + th);
    const pdf = 0.5 * (1 - th * th) * s * (1 + 3 * 0.044715 * x * x);
    dinp[i] = dout[i] * (cdf + x * pdf);
  }`,
  "11-layernorm-backward": `
  for (let n = 0; n < N; n++) {
    let average = 0;
    let normAverage = 0;
    for (let c = 0; c < C; c++) {
      const norm = (inp[n * C + c] - mean[n]) * rstd[n];
      const dnorm = dout[n * C + c] * weight[c];
      average += dnorm / C;
      normAverage += (dnorm * norm) / C;
      dweight[c] += dout[n * C + c] * norm;
      dbias[c] += dout[n * C + c];
    }
    for (let c = 0; c < C; c++) {
      const norm = (inp[n * C + c] - mean[n]) * rstd[n];
      const dnorm = dout[n * C + c] * weight[c];
      dinp[n * C + c] = rstd[n] * (dnorm - average - norm * normAverage);
    }
  }`,
  "12-attention-backward": `
  for (let b = 0; b < B; b++)
    for (let h = 0; h < NH; h++)
      for (let t = 0; t < T; t++) {
        const query = (b * T + t) * 3 * C + h * hs;
        const row = ((b * NH + h) * T + t) * T;
        const dy = (b * T + t) * C + h * hs;
        let sum = 0;
        for (let t2 = 0; t2 <= t; t2++) {
          const value = (b * T + t2) * 3 * C + 2 * C + h * hs;
          datt[t2] = 0;
          for (let i = 0; i < hs; i++) {
            datt[t2] += dout[dy + i] * qkv[value + i];
            dqkv[value + i] += att[row + t2] * dout[dy + i];
          }
          sum += att[row + t2] * datt[t2];
        }
        for (let t2 = 0; t2 <= t; t2++) {
          const key = (b * T + t2) * 3 * C + C + h * hs;
          const dscore = (att[row + t2] * (datt[t2] - sum)) / Math.sqrt(hs);
          for (let i = 0; i < hs; i++) {
            dqkv[query + i] += dscore * qkv[key + i];
            dqkv[key + i] += dscore * qkv[query + i];
          }
        }
      }`,
  "13-embedding-backward": `
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let c = 0; c < C; c++) {
        const dy = dout[(b * T + t) * C + c];
        dwte[tokens[b * T + t] * C + c] += dy;
        dwpe[t * C + c] += dy;
      }`,
  "14-adamw": `
  for (let i = 0; i < param.length; i++) {
    updated.m[i] = beta1 * m[i] + (1 - beta1) * grad[i];
    updated.v[i] = beta2 * v[i] + (1 - beta2) * grad[i] ** 2;
    const first = updated.m[i] / (1 - beta1 ** step);
    const second = updated.v[i] / (1 - beta2 ** step);
    updated.param[i] = param[i] - learningRate * (first / (Math.sqrt(second) + eps) + weightDecay * param[i]);
  }`,
  "15-train": `
  const last = layernormBackward(head.dinp, stream, weights.lnfw, lnf.mean, lnf.rstd, N, C);
  grads.lnfw = last.dweight;
  grads.lnfb = last.dbias;
  let dstream = last.dinp;
  for (let l = L - 1; l >= 0; l--) {
    const a = layers[l];
    const w = (name) => weights["h." + l + "." + name];
    const keep = (name, { dweight, dbias }) => {
      grads["h." + l + "." + name + "w"] = dweight;
      grads["h." + l + "." + name + "b"] = dbias;
    };
    const fcproj = matmulBackward(dstream, a.fchgelu, w("fcprojw"), N, 4 * C, C);
    const fc = matmulBackward(geluBackward(fcproj.dinp, a.fch), a.ln2.out, w("fcw"), N, C, 4 * C);
    const ln2 = layernormBackward(fc.dinp, a.middle, w("ln2w"), a.ln2.mean, a.ln2.rstd, N, C);
    dstream = dstream.map((value, i) => value + ln2.dinp[i]);
    const attproj = matmulBackward(dstream, a.atty, w("attprojw"), N, C, C);
    const dqkv = attentionBackward(attproj.dinp, a.qkv, a.att, B, T, C, NH);
    const qkv = matmulBackward(dqkv, a.ln1.out, w("qkvw"), N, C, 3 * C);
    const ln1 = layernormBackward(qkv.dinp, a.before, w("ln1w"), a.ln1.mean, a.ln1.rstd, N, C);
    dstream = dstream.map((value, i) => value + ln1.dinp[i]);
    for (const [name, given] of Object.entries({ fcproj, fc, ln2, attproj, qkv, ln1 })) keep(name, given);
  }
  const ends = embeddingBackward(dstream, tokens, B, T, C, Vp, maxT);
  grads.wpe = ends.dwpe;
  grads.wte = ends.dwte.map((value, i) => value + head.dweight[i]);`,
};

/** Sixteen sums at once, in registers, in float32. */
const fastMatmul = `
  const out = new Float32Array(N * OC);
  const simple = (n, o) => {
    let sum = bias[o];
    for (let c = 0; c < C; c++) sum = sum + inp[n * C + c] * weight[o * C + c];
    out[n * OC + o] = sum;
  };
  const rows = N - (N % 4);
  const columns = OC - (OC % 4);
  for (let n = 0; n < rows; n += 4)
    for (let o = 0; o < columns; o += 4) {
      let [s00, s01, s02, s03] = [0, 0, 0, 0];
      let [s10, s11, s12, s13] = [0, 0, 0, 0];
      let [s20, s21, s22, s23] = [0, 0, 0, 0];
      let [s30, s31, s32, s33] = [0, 0, 0, 0];
      let i0 = n * C, i1 = i0 + C, i2 = i1 + C, i3 = i2 + C;
      let w0 = o * C, w1 = w0 + C, w2 = w1 + C, w3 = w2 + C;
      for (let c = 0; c < C; c++) {
        const b0 = weight[w0++], b1 = weight[w1++], b2 = weight[w2++], b3 = weight[w3++];
        const a0 = inp[i0++], a1 = inp[i1++], a2 = inp[i2++], a3 = inp[i3++];
        s00 = s00 + a0 * b0; s01 = s01 + a0 * b1; s02 = s02 + a0 * b2; s03 = s03 + a0 * b3;
        s10 = s10 + a1 * b0; s11 = s11 + a1 * b1; s12 = s12 + a1 * b2; s13 = s13 + a1 * b3;
        s20 = s20 + a2 * b0; s21 = s21 + a2 * b1; s22 = s22 + a2 * b2; s23 = s23 + a2 * b3;
        s30 = s30 + a3 * b0; s31 = s31 + a3 * b1; s32 = s32 + a3 * b2; s33 = s33 + a3 * b3;
      }
      const sums = [s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33];
      for (let i = 0; i < 16; i++) out[(n + (i >> 2)) * OC + o + (i & 3)] = sums[i] + bias[o + (i & 3)];
    }
  for (let n = 0; n < N; n++) for (let o = n < rows ? columns : 0; o < OC; o++) simple(n, o);
  return out;
}
`;

/** The file of an exercise with its solution in it. */
export function solved(id: string, language: Language): string {
  const source = sourceOf(id, language);
  if (id === "16-fast-matmul")
    return `${source.slice(0, source.indexOf("{\n", source.indexOf("export function")) + 1)}${fastMatmul}`;
  return source.replace(/ *\/\/ Your lines.*\n/, `${solutions[id].trimStart().replace(/^/, "  ")}\n`);
}
