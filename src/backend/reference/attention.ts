import type { AttentionShape, KVCache, Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

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
export const attentionForward: Operations<HostTensor>["attentionForward"] = (out, saved, qkv, NH, cache, past = 0) => {
  const [B, T, width] = qkv.shape;
  const C = width / 3;
  const hs = C / NH;
  const scale = 1 / Math.sqrt(hs);
  if (cache) remember(cache, qkv, past);
  // Without a cache, keys and values are read from qkv itself, whose rows are 3C apart.
  const keys = cache ? cache.keys.data : qkv.data.subarray(C);
  const values = cache ? cache.values.data : qkv.data.subarray(2 * C);
  const stride = cache ? C : 3 * C;
  const rows = cache ? cache.keys.shape[1] : T;
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
          for (let i = 0; i < hs; i++) dot += qkv.data[query + i] * keys[key + i];
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
          if (saved) saved.data[((b * NH + h) * T + t) * T + t2] = p;
        }
        out.data.set(sum, (b * T + t) * C + h * hs);
      }
};

/** Puts the new keys and values of qkv (B,T,3C) behind the `past` ones that are in the cache. */
function remember({ keys, values }: KVCache<HostTensor>, qkv: HostTensor, past: number): void {
  const [B, S, C] = keys.shape;
  const T = qkv.shape[1];
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++) {
      const row = (b * T + t) * 3 * C;
      keys.data.set(qkv.data.subarray(row + C, row + 2 * C), (b * S + past + t) * C);
      values.data.set(qkv.data.subarray(row + 2 * C, row + 3 * C), (b * S + past + t) * C);
    }
}

/**
 * In the forward pass this was, for each query: score = query · key * scale, p = softmax(score), out = sum of p * value.
 * Backward, from the last to the first:
 *
 *   through the weighted sum    dp = dout · value, dvalue += p * dout
 *   through the softmax         dscore = p * (dp - sum of p * dp)
 *   through the dot product     dquery += dscore * scale * key, dkey += dscore * scale * query
 *
 * dqkv (B,T,3C) is overwritten; saved (B,NH,T,T) are the probabilities p.
 */
export const attentionBackward: Operations<HostTensor>["attentionBackward"] = (dqkv, dout, qkv, saved, NH) => {
  const [B, T, width] = qkv.shape;
  const C = width / 3;
  const hs = C / NH;
  const scale = 1 / Math.sqrt(hs);
  // Of one head of one sequence, in double precision: every gradient is a sum over positions.
  const dquery = new Float64Array(T * hs);
  const dkey = new Float64Array(T * hs);
  const dvalue = new Float64Array(T * hs);
  const dp = new Float64Array(T);

  for (let b = 0; b < B; b++)
    for (let h = 0; h < NH; h++) {
      for (const gradient of [dquery, dkey, dvalue]) gradient.fill(0);
      for (let t = 0; t < T; t++) {
        const p = saved.data.subarray(((b * NH + h) * T + t) * T);
        const query = (b * T + t) * 3 * C + h * hs;
        const outRow = (b * T + t) * C + h * hs;

        // In the forward pass this was: out[t] += p[t2] * value[t2].
        let sumPdp = 0;
        for (let t2 = 0; t2 <= t; t2++) {
          const value = (b * T + t2) * 3 * C + 2 * C + h * hs;
          dp[t2] = 0;
          for (let i = 0; i < hs; i++) {
            dp[t2] += dout.data[outRow + i] * qkv.data[value + i];
            dvalue[t2 * hs + i] += p[t2] * dout.data[outRow + i];
          }
          sumPdp += p[t2] * dp[t2];
        }

        // In the forward pass this was: p = softmax(score), score[t2] = query[t] · key[t2] * scale.
        for (let t2 = 0; t2 <= t; t2++) {
          const dscore = p[t2] * (dp[t2] - sumPdp) * scale;
          const key = (b * T + t2) * 3 * C + C + h * hs;
          for (let i = 0; i < hs; i++) {
            dquery[t * hs + i] += dscore * qkv.data[key + i];
            dkey[t2 * hs + i] += dscore * qkv.data[query + i];
          }
        }
      }
      for (let t = 0; t < T; t++) {
        const row = (b * T + t) * 3 * C + h * hs;
        dqkv.data.set(dquery.subarray(t * hs, (t + 1) * hs), row);
        dqkv.data.set(dkey.subarray(t * hs, (t + 1) * hs), row + C);
        dqkv.data.set(dvalue.subarray(t * hs, (t + 1) * hs), row + 2 * C);
      }
    }
};
