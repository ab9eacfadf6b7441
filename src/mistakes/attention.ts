import type { Operand, Operation } from "./operation.ts";

interface Layout {
  /** Where queries, keys and values are in a row of qkv: 0, 1, 2. */
  readonly order?: readonly [query: number, key: number, value: number];
  /** All three of a head beside each other, as GPT-NeoX has them. */
  readonly byHead?: boolean;
  readonly heads?: number;
}

interface ForwardVariant extends Layout {
  readonly scale?: (hs: number, C: number) => number;
  readonly visible?: (t: number, t2: number) => boolean;
  /** Set what may not be seen to 0 after the softmax, which has counted it. */
  readonly maskAfter?: boolean;
  readonly softmaxOver?: "keys" | "queries" | "nothing";
  /** Probabilities are left as exp(score). */
  readonly divided?: boolean;
  readonly transposedOut?: boolean;
}

const usualScale = (hs: number) => 1 / Math.sqrt(hs);
const causal = (t: number, t2: number) => t2 <= t;

/** Index of element i of the query (0), key (1) or value (2) of head h in row n. */
function placesOf(C: number, NH: number, { order = [0, 1, 2], byHead = false }: Layout) {
  const hs = C / NH;
  return (part: 0 | 1 | 2, n: number, h: number, i: number) =>
    n * 3 * C + (byHead ? (h * 3 + order[part]) * hs : order[part] * C + h * hs) + i;
}

/** att (B,NH,T,T), out (B,T,C) from qkv (B,T,3C). */
export const attentionForward: Operation<{ readonly qkv: Operand }, ForwardVariant> = {
  compute({ qkv }, numbers, variant = {}) {
    const { heads: NH = numbers.NH, scale = usualScale, visible = causal, maskAfter = false } = variant;
    const { softmaxOver = "keys", divided = true, transposedOut = false } = variant;
    const [B, T, width] = qkv.shape;
    const C = width / 3;
    const hs = C / NH;
    const at = placesOf(C, NH, variant);
    const att = new Float64Array(B * NH * T * T);
    const out = new Float64Array(B * T * C);
    for (let b = 0; b < B; b++)
      for (let h = 0; h < NH; h++) {
        const probabilities = att.subarray((b * NH + h) * T * T, (b * NH + h + 1) * T * T);
        for (let t = 0; t < T; t++)
          for (let t2 = 0; t2 < T; t2++) {
            let dot = 0;
            for (let i = 0; i < hs; i++) dot += qkv.data[at(0, b * T + t, h, i)] * qkv.data[at(1, b * T + t2, h, i)];
            probabilities[t * T + t2] = maskAfter || visible(t, t2) ? dot * scale(hs, C) : -Infinity;
          }
        if (softmaxOver !== "nothing") softmax(probabilities, T, softmaxOver, divided);
        for (let i = 0; i < T * T; i++) if (!visible(Math.floor(i / T), i % T)) probabilities[i] = 0;
        for (let t = 0; t < T; t++)
          for (let i = 0; i < hs; i++) {
            let sum = 0;
            for (let t2 = 0; t2 < T; t2++) sum += probabilities[t * T + t2] * qkv.data[at(2, b * T + t2, h, i)];
            out[transposedOut ? ((b * NH + h) * T + t) * hs + i : (b * T + t) * C + h * hs + i] = sum;
          }
      }
    return { att, out };
  },
  mistakes: [
    {
      what: "the causal mask is missing: a position attends to those after it as well",
      variant: { visible: () => true },
    },
    { what: "the scale is missing: scores are divided by sqrt(hs)", variant: { scale: () => 1 } },
    {
      what: "the scale is 1 / sqrt(C): it is 1 / sqrt(hs), hs = C / NH",
      variant: { scale: (_hs, C) => 1 / Math.sqrt(C) },
    },
    { what: "the scale is 1 / hs: it is 1 / sqrt(hs)", variant: { scale: (hs) => 1 / hs } },
    { what: "scores are multiplied by sqrt(hs), not divided", variant: { scale: Math.sqrt } },
    {
      what: "the mask comes after the softmax, whose sum has counted the later positions: set their scores to -Infinity before it",
      variant: { maskAfter: true },
    },
    {
      what: "a position does not attend to itself: the mask is t2 <= t, not t2 < t",
      variant: { visible: (t, t2) => t2 < t || t === 0 },
    },
    { what: "the mask is upside down: a position attends to the later ones", variant: { visible: (t, t2) => t2 >= t } },
    {
      what: "the softmax is over the queries: it is over the keys, so that a query's probabilities have sum 1",
      variant: { softmaxOver: "queries" },
    },
    { what: "the softmax is missing: scores are used as they are", variant: { softmaxOver: "nothing" } },
    { what: "the softmax's division by the sum is missing", variant: { divided: false } },
    {
      what: "queries and keys are exchanged: a row of qkv has queries, then keys, then values",
      variant: { order: [1, 0, 2] },
    },
    {
      what: "the order is values, keys, queries: a row of qkv has queries, then keys, then values",
      variant: { order: [2, 1, 0] },
    },
    {
      what: "the order is queries, values, keys: a row of qkv has queries, then keys, then values",
      variant: { order: [0, 2, 1] },
    },
    {
      what: "the three of a head are taken from beside each other: a row of qkv has the queries of all heads, then all keys, then all values",
      variant: { byHead: true },
    },
    { what: "there is one head of all channels: there are NH, each with its own softmax", variant: { heads: 1 } },
    {
      what: "out is (B,NH,T,hs): transposed to (B,T,NH,hs), the heads of a position lie side by side",
      variant: { transposedOut: true },
    },
  ],
};

function softmax(scores: Float64Array, T: number, over: "keys" | "queries", divided: boolean): void {
  for (let line = 0; line < T; line++) {
    const at = (i: number) => (over === "keys" ? line * T + i : i * T + line);
    let [most, sum] = [-Infinity, 0];
    for (let i = 0; i < T; i++) most = Math.max(most, scores[at(i)]);
    for (let i = 0; i < T; i++) {
      scores[at(i)] = Math.exp(scores[at(i)] - most);
      sum += scores[at(i)];
    }
    if (divided) for (let i = 0; i < T; i++) scores[at(i)] /= sum;
  }
}

interface Backward {
  /** (B,T,C) */
  readonly dout: Operand;
  readonly qkv: Operand;
  /** (B,NH,T,T) */
  readonly att: Operand;
}

interface BackwardVariant {
  readonly scale?: (hs: number, C: number) => number;
  /** The gradient through the softmax. */
  readonly dscore?: (p: number, dp: number, sum: number) => number;
  /** Which of query and key each gradient multiplies by. */
  readonly exchanged?: boolean;
  /** What dvalue multiplies dout by. */
  readonly valueBy?: "att" | "transposed";
  /** Scale dquery alone. */
  readonly keyScaled?: boolean;
  readonly order?: Layout["order"];
  readonly overwrite?: boolean;
}

/** dqkv (B,T,3C) from dout, the forward's qkv and its probabilities att. */
export const attentionBackward: Operation<Backward, BackwardVariant> = {
  compute({ dout, qkv, att }, { NH }, variant = {}) {
    const { scale = usualScale, dscore = (p, dp, sum) => p * (dp - sum), exchanged = false, order } = variant;
    const { keyScaled = true, valueBy = "att", overwrite = false } = variant;
    const [B, T, width] = qkv.shape;
    const C = width / 3;
    const hs = C / NH;
    const at = placesOf(C, NH, {});
    const to = placesOf(C, NH, { order });
    const dqkv = new Float64Array(qkv.data.length);
    const add = (place: number, value: number) => {
      dqkv[place] = (overwrite ? 0 : dqkv[place]) + value;
    };
    for (let b = 0; b < B; b++)
      for (let h = 0; h < NH; h++)
        for (let t = 0; t < T; t++) {
          const row = ((b * NH + h) * T + t) * T;
          const [n, datt] = [b * T + t, new Float64Array(t + 1)];
          let sum = 0;
          for (let t2 = 0; t2 <= t; t2++) {
            const p = valueBy === "att" ? att.data[row + t2] : att.data[((b * NH + h) * T + t2) * T + t];
            for (let i = 0; i < hs; i++) {
              const dy = dout.data[n * C + h * hs + i];
              datt[t2] += dy * qkv.data[at(2, b * T + t2, h, i)];
              add(to(2, b * T + t2, h, i), p * dy);
            }
            sum += att.data[row + t2] * datt[t2];
          }
          for (let t2 = 0; t2 <= t; t2++) {
            const ds = dscore(att.data[row + t2], datt[t2], sum);
            const n2 = b * T + t2;
            for (let i = 0; i < hs; i++) {
              const [query, key] = [qkv.data[at(0, n, h, i)], qkv.data[at(1, n2, h, i)]];
              dqkv[to(0, n, h, i)] += ds * scale(hs, C) * (exchanged ? query : key);
              add(to(1, n2, h, i), ds * (keyScaled ? scale(hs, C) : 1) * (exchanged ? key : query));
            }
          }
        }
    return { dqkv };
  },
  mistakes: [
    { what: "the scale 1 / sqrt(hs) is missing: the scores had it in the forward pass", variant: { scale: () => 1 } },
    {
      what: "the scale is 1 / sqrt(C): it is 1 / sqrt(hs), hs = C / NH",
      variant: { scale: (_hs, C) => 1 / Math.sqrt(C) },
    },
    { what: "the keys' gradient lacks the scale 1 / sqrt(hs)", variant: { keyScaled: false } },
    {
      what: "the softmax's backward lacks its sum: each probability depends on all scores of its row, dscore = att * (datt - sum of att * datt)",
      variant: { dscore: (p, dp) => p * dp },
    },
    {
      what: "the softmax is treated element by element, as att * (1 - att): dscore = att * (datt - sum of att * datt)",
      variant: { dscore: (p, dp) => p * (1 - p) * dp },
    },
    {
      what: "the softmax is skipped on the way back: dscore = att * (datt - sum of att * datt)",
      variant: { dscore: (_p, dp) => dp },
    },
    {
      what: "the factor att is missing: dscore = att * (datt - sum of att * datt)",
      variant: { dscore: (_p, dp, sum) => dp - sum },
    },
    {
      what: "queries' gradient is made of queries: it is made of keys, and keys' of queries",
      variant: { exchanged: true },
    },
    {
      what: "dvalue[t2] takes att[t2,t]: it takes att[t,t2], the weight that t gave to t2",
      variant: { valueBy: "transposed" },
    },
    { what: "the gradients of queries and keys are in each other's place", variant: { order: [1, 0, 2] } },
    { what: "the gradients of queries and values are in each other's place", variant: { order: [2, 1, 0] } },
    {
      what: "a key's or value's gradient is overwritten by each query: all later positions add to it (+=)",
      variant: { overwrite: true },
    },
  ],
};
