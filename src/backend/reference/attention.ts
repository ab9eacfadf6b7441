/**
 * Causal multi-head self-attention (Vaswani et al., 2017): the only layer in which positions exchange information.
 * For each head of each sequence, over the positions t2 <= t:
 *
 *   score[t,t2] = query[t] · key[t2] * scale,   scale = 1 / sqrt(hs)
 *   att[t,t2]   = exp(score[t,t2]) / sum over t2 of exp(score[t,t2])      (softmax)
 *   out[t]      = sum over t2 of att[t,t2] * value[t2]
 *
 * qkv (B,T,3C): each row holds C channels of queries, then of keys, then of values; head h has the channels from h * hs
 * on in each of the three, hs = C / NH. out (B,T,C): the heads' results side by side. att is saved for the backward.
 * NH must divide C. A NaN in a query makes its row of out NaN, a NaN in a key or value all rows from its position on.
 *
 * ```js
 * const qkv = hostTensor(Float32Array.of(0, 0, 4, 0, 0, 8), [1, 2, 3]); // T = 2, C = 1: all scores are 0
 * const out = hostTensor(new Float32Array(2), [1, 2, 1]);
 * attentionForward(out, null, qkv, 1);
 * out.data // [4, 6]: position 0 attends to itself, position 1 to both equally
 * ```
 */
import type { AttentionShape, KVCache, Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

/** Elements saved for the backward: the attention probabilities att (B,NH,T,T). */
export function attentionSavedSize({ B, T, NH }: AttentionShape): number {
  return B * NH * T * T;
}

export const attentionForward: Operations<HostTensor>["attentionForward"] = (out, saved, qkv, NH, cache, past = 0) => {
  const [B, T, qkvWidth] = qkv.shape;
  const C = qkvWidth / 3;
  const hs = C / NH;
  const scale = 1 / Math.sqrt(hs);
  if (cache) appendToCache(cache, qkv, past);
  // Without a cache, keys and values are read from qkv itself, whose rows are 3C apart.
  const keys = cache ? cache.keys.data : qkv.data.subarray(C);
  const values = cache ? cache.values.data : qkv.data.subarray(2 * C);
  const stride = cache ? C : 3 * C;
  const rows = cache ? cache.keys.shape[1] : T;
  // Of one query, in double precision.
  const att = new Float64Array(past + T);
  const weightedSum = new Float64Array(hs);

  for (let b = 0; b < B; b++)
    for (let h = 0; h < NH; h++)
      for (let t = 0; t < T; t++) {
        const query = (b * T + t) * 3 * C + h * hs;
        const visible = past + t + 1; // keys at or before this query's position

        // score = query · key * scale, and its maximum, so that exp cannot overflow
        let maxScore = -Infinity;
        for (let t2 = 0; t2 < visible; t2++) {
          const key = (b * rows + t2) * stride + h * hs;
          let dot = 0;
          for (let i = 0; i < hs; i++) dot += qkv.data[query + i] * keys[key + i];
          att[t2] = dot * scale;
          maxScore = Math.max(maxScore, att[t2]);
        }

        // exp(score - maxScore) and its sum
        let expSum = 0;
        for (let t2 = 0; t2 < visible; t2++) {
          att[t2] = Math.exp(att[t2] - maxScore);
          expSum += att[t2];
        }

        // att = softmax(score), out = sum of att * value
        weightedSum.fill(0);
        for (let t2 = 0; t2 < visible; t2++) {
          const probability = att[t2] / expSum;
          const value = (b * rows + t2) * stride + h * hs;
          for (let i = 0; i < hs; i++) weightedSum[i] += probability * values[value + i];
          if (saved) saved.data[((b * NH + h) * T + t) * T + t2] = probability;
        }
        out.data.set(weightedSum, (b * T + t) * C + h * hs);
      }
};

/** Copies the T new keys and values of qkv (B,T,3C) to positions past … past+T-1 of the cache. */
function appendToCache({ keys, values }: KVCache<HostTensor>, qkv: HostTensor, past: number): void {
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
 * dqkv (B,T,3C) from dout (B,T,C), the forward's qkv and its saved att (B,NH,T,T). Overwrites dqkv. The steps of the
 * forward in reverse order:
 *
 *   weighted sum   datt[t,t2] = dout[t] · value[t2],                    dvalue[t2] += att[t,t2] * dout[t]
 *   softmax        dscore[t,t2] = att[t,t2] * (datt[t,t2] - sum over t3 of att[t,t3] * datt[t,t3])
 *   dot product    dquery[t] += dscore[t,t2] * scale * key[t2],         dkey[t2] += dscore[t,t2] * scale * query[t]
 */
export const attentionBackward: Operations<HostTensor>["attentionBackward"] = (dqkv, dout, qkv, saved, NH) => {
  const [B, T, qkvWidth] = qkv.shape;
  const C = qkvWidth / 3;
  const hs = C / NH;
  const scale = 1 / Math.sqrt(hs);
  // Of one head of one sequence, in double precision: every gradient is a sum over positions.
  const dquery = new Float64Array(T * hs);
  const dkey = new Float64Array(T * hs);
  const dvalue = new Float64Array(T * hs);
  const datt = new Float64Array(T);

  for (let b = 0; b < B; b++)
    for (let h = 0; h < NH; h++) {
      for (const gradient of [dquery, dkey, dvalue]) gradient.fill(0);
      for (let t = 0; t < T; t++) {
        const att = saved.data.subarray(((b * NH + h) * T + t) * T);
        const query = (b * T + t) * 3 * C + h * hs;
        const outRow = (b * T + t) * C + h * hs;

        // backward through the weighted sum, and the dot product att · datt of the softmax's backward
        let attDotDatt = 0;
        for (let t2 = 0; t2 <= t; t2++) {
          const value = (b * T + t2) * 3 * C + 2 * C + h * hs;
          datt[t2] = 0;
          for (let i = 0; i < hs; i++) {
            // forward: out[t][i] += att[t2] * value[t2][i]
            datt[t2] += dout.data[outRow + i] * qkv.data[value + i];
            dvalue[t2 * hs + i] += att[t2] * dout.data[outRow + i];
          }
          attDotDatt += att[t2] * datt[t2];
        }

        for (let t2 = 0; t2 <= t; t2++) {
          // forward: score[t2] = dot * scale, att = softmax(score)
          const ddot = att[t2] * (datt[t2] - attDotDatt) * scale;
          const key = (b * T + t2) * 3 * C + C + h * hs;
          for (let i = 0; i < hs; i++) {
            // forward: dot += query[t][i] * key[t2][i]
            dquery[t * hs + i] += ddot * qkv.data[key + i];
            dkey[t2 * hs + i] += ddot * qkv.data[query + i];
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
