import type { AttentionShape } from "../backend.ts";

/** Where the keys and values of earlier positions lie: both (B, S, C), of which `past` positions are filled. */
export interface Past {
  readonly keys: Float32Array;
  readonly values: Float32Array;
  readonly S: number;
  readonly past: number;
}

/** Elements kept for the backward: the attention probabilities, (B, NH, T, T). */
export function attentionSavedSize({ B, T, NH }: AttentionShape): number {
  return B * NH * T * T;
}

/**
 * The only layer in which positions see each other. Each row of qkv (B,T,3C) holds a query, a key and a value for
 * each of NH heads of hs = C / NH channels. A query is compared with the keys of its own and all earlier positions;
 * softmax of query · key / sqrt(hs) says how much of each position's value goes into out (B,T,C).
 * Vaswani et al., 2017. `saved` (B,NH,T,T) keeps the probabilities.
 */
export function attentionForward(
  out: Float32Array,
  saved: Float32Array | null,
  qkv: Float32Array,
  { B, T, C, NH }: AttentionShape,
  cache?: Past,
): void {
  const hs = C / NH;
  const scale = 1 / Math.sqrt(hs);
  const past = cache?.past ?? 0;
  if (cache) remember(cache, qkv, B, T, C);
  // Without a cache, keys and values are read from qkv itself, whose rows are 3C apart.
  const keys = cache ? cache.keys : qkv.subarray(C);
  const values = cache ? cache.values : qkv.subarray(2 * C);
  const stride = cache ? C : 3 * C;
  const rows = cache ? cache.S : T;
  const probabilities = new Float64Array(past + T);
  const sum = new Float64Array(hs);

  for (let b = 0; b < B; b++)
    for (let h = 0; h < NH; h++)
      for (let t = 0; t < T; t++) {
        const query = (b * T + t) * 3 * C + h * hs;
        const seen = past + t + 1;
        let max = -Infinity;
        for (let t2 = 0; t2 < seen; t2++) {
          const key = (b * rows + t2) * stride + h * hs;
          let dot = 0;
          for (let i = 0; i < hs; i++) dot += qkv[query + i] * keys[key + i];
          probabilities[t2] = dot * scale;
          max = Math.max(max, probabilities[t2]);
        }
        let total = 0;
        for (let t2 = 0; t2 < seen; t2++) {
          probabilities[t2] = Math.exp(probabilities[t2] - max);
          total += probabilities[t2];
        }
        sum.fill(0);
        for (let t2 = 0; t2 < seen; t2++) {
          const p = probabilities[t2] / total;
          const value = (b * rows + t2) * stride + h * hs;
          for (let i = 0; i < hs; i++) sum[i] += p * values[value + i];
          if (saved) saved[((b * NH + h) * T + t) * T + t2] = p;
        }
        out.set(sum, (b * T + t) * C + h * hs);
      }
}

/** Puts the new keys and values of qkv (B,T,3C) behind those already in the cache. */
function remember({ keys, values, S, past }: Past, qkv: Float32Array, B: number, T: number, C: number): void {
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++) {
      const row = (b * T + t) * 3 * C;
      keys.set(qkv.subarray(row + C, row + 2 * C), (b * S + past + t) * C);
      values.set(qkv.subarray(row + 2 * C, row + 3 * C), (b * S + past + t) * C);
    }
}

/**
 * Backward through the weighted sum (dp = dout · value), the softmax (dscore = p * (dp - sum of p dp)) and the dot
 * product (dquery += dscore * key, dkey += dscore * query). dqkv (B,T,3C) is overwritten.
 */
export function attentionBackward(
  dqkv: Float32Array,
  dout: Float32Array,
  qkv: Float32Array,
  saved: Float32Array,
  { B, T, C, NH }: AttentionShape,
): void {
  const hs = C / NH;
  const scale = 1 / Math.sqrt(hs);
  const dq = new Float64Array(T * hs);
  const dk = new Float64Array(T * hs);
  const dv = new Float64Array(T * hs);
  const dp = new Float64Array(T);

  for (let b = 0; b < B; b++)
    for (let h = 0; h < NH; h++) {
      for (const gradient of [dq, dk, dv]) gradient.fill(0);
      for (let t = 0; t < T; t++) {
        const p = saved.subarray(((b * NH + h) * T + t) * T);
        const query = (b * T + t) * 3 * C + h * hs;
        const d = (b * T + t) * C + h * hs;
        let mean = 0;
        for (let t2 = 0; t2 <= t; t2++) {
          const value = (b * T + t2) * 3 * C + 2 * C + h * hs;
          dp[t2] = 0;
          for (let i = 0; i < hs; i++) {
            dp[t2] += dout[d + i] * qkv[value + i];
            dv[t2 * hs + i] += p[t2] * dout[d + i];
          }
          mean += p[t2] * dp[t2];
        }
        for (let t2 = 0; t2 <= t; t2++) {
          const dscore = p[t2] * (dp[t2] - mean) * scale;
          const key = (b * T + t2) * 3 * C + C + h * hs;
          for (let i = 0; i < hs; i++) {
            dq[t * hs + i] += dscore * qkv[key + i];
            dk[t2 * hs + i] += dscore * qkv[query + i];
          }
        }
      }
      for (let t = 0; t < T; t++) {
        const row = (b * T + t) * 3 * C + h * hs;
        dqkv.set(dq.subarray(t * hs, (t + 1) * hs), row);
        dqkv.set(dk.subarray(t * hs, (t + 1) * hs), row + C);
        dqkv.set(dv.subarray(t * hs, (t + 1) * hs), row + 2 * C);
      }
    }
}
