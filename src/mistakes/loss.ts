import { type Operand, type Operation, rowsOf } from "./operation.ts";

interface Head {
  /** (N,V), or (N,Vp) with padding. */
  readonly logits: Operand;
  /** (B,T) */
  readonly targets: Operand;
  readonly tokens?: Operand;
}

interface LossVariant {
  /** Padding that the softmax counts, as logits of 0. */
  readonly padded?: boolean;
  readonly targetOf?: (head: Head, n: number) => number;
  readonly loss?: (logSum: number, logit: number) => number;
}

const padding = "the softmax counts the padding of the vocabulary: its columns from V on get no probability";
const given = ({ targets }: Head, n: number) => targets.data[n];
const ownToken = ({ tokens, targets }: Head, n: number) => (tokens ?? targets).data[n];
const nextTarget = ({ targets }: Head, n: number) => targets.data[Math.min(n + 1, targets.data.length - 1)];
const notShifted = "the target of a position is its own token: it is the one that follows";
const shiftedTwice = "targets are shifted once more: they already are the tokens that follow";

/** log of the sum of exp(logit) of a row, padding to a multiple of 128 included if `padded`. */
function logSumExp(row: Operand["data"], V: number, padded: boolean): number {
  let most = padded ? 0 : -Infinity;
  for (let v = 0; v < V; v++) most = Math.max(most, row[v]);
  let sum = padded ? (Math.ceil(V / 128) * 128 - V) * Math.exp(-most) : 0;
  for (let v = 0; v < V; v++) sum += Math.exp(row[v] - most);
  return most + Math.log(sum);
}

/** losses (N) = -log softmax(logits)[target]. */
export const crossEntropy: Operation<Head, LossVariant> = {
  compute(head, { V }, variant = {}) {
    const { padded = false, targetOf = given, loss = (logSum, logit) => logSum - logit } = variant;
    const width = head.logits.shape[head.logits.shape.length - 1];
    const losses = new Float64Array(rowsOf(head.logits));
    for (let n = 0; n < losses.length; n++) {
      const row = head.logits.data.subarray(n * width, (n + 1) * width);
      losses[n] = loss(logSumExp(row, V, padded), row[targetOf(head, n)]);
    }
    return { losses };
  },
  mistakes: [
    { what: padding, variant: { padded: true } },
    { what: notShifted, variant: { targetOf: ownToken } },
    { what: shiftedTwice, variant: { targetOf: nextTarget } },
    {
      what: "it is the probability of the target: the loss is the negative logarithm of it",
      variant: { loss: (sum, logit) => Math.exp(logit - sum) },
    },
    {
      what: "the minus is missing: the loss is the negative logarithm of the probability",
      variant: { loss: (sum, logit) => logit - sum },
    },
    {
      what: "the logarithm is to base 2: losses are in nats, Math.log",
      variant: { loss: (sum, logit) => (sum - logit) / Math.LN2 },
    },
    { what: "the softmax is missing: it is the logit itself", variant: { loss: (_sum, logit) => -logit } },
  ],
};

interface BackwardVariant extends Omit<LossVariant, "loss"> {
  readonly target?: number;
  /** Factor of a row: one over the number of rows. */
  readonly weight?: (N: number, B: number, T: number) => number;
}

/** dlogits (N,V) = (softmax(logits) - one at the target) / N: the gradient of the mean loss. */
export const crossEntropyBackward: Operation<Head, BackwardVariant> = {
  compute(head, { V }, variant = {}) {
    const { padded = false, targetOf = given, target = 1, weight = (N) => 1 / N } = variant;
    const width = head.logits.shape[head.logits.shape.length - 1];
    const N = rowsOf(head.logits);
    const [B, T] = head.targets.shape;
    const dlogits = new Float64Array(N * width);
    for (let n = 0; n < N; n++) {
      const row = head.logits.data.subarray(n * width, (n + 1) * width);
      const logSum = logSumExp(row, V, padded);
      for (let v = 0; v < (padded ? width : V); v++)
        dlogits[n * width + v] = (Math.exp(row[v] - logSum) - (v === targetOf(head, n) ? target : 0)) * weight(N, B, T);
    }
    return { dlogits };
  },
  mistakes: [
    { what: padding, variant: { padded: true } },
    {
      what: "the division by the number of positions B * T is missing: the loss is a mean",
      variant: { weight: () => 1 },
    },
    {
      what: "it is divided by T alone: the loss is a mean over B * T positions",
      variant: { weight: (_N, _B, T) => 1 / T },
    },
    {
      what: "it is divided by B alone: the loss is a mean over B * T positions",
      variant: { weight: (_N, B) => 1 / B },
    },
    {
      what: "the 1 at the target is not subtracted: the gradient is probability minus 1 there",
      variant: { target: 0 },
    },
    { what: "the sign is wrong: the gradient is probability minus target", variant: { weight: (N) => -1 / N } },
    { what: notShifted, variant: { targetOf: ownToken } },
    { what: shiftedTwice, variant: { targetOf: nextTarget } },
  ],
};

interface SoftmaxVariant {
  readonly stable?: boolean;
  readonly divided?: boolean;
  readonly columns?: boolean;
}

/** out (N,V): each row's exp(inp), divided by their sum. */
export const softmax: Operation<{ readonly inp: Operand }, SoftmaxVariant> = {
  compute({ inp }, _numbers, { stable = true, divided = true, columns = false } = {}) {
    const [N, V] = inp.shape;
    const out = new Float64Array(N * V);
    const [lines, length] = columns ? [V, N] : [N, V];
    for (let line = 0; line < lines; line++) {
      const at = (i: number) => (columns ? i * V + line : line * V + i);
      let [largest, sum] = [stable ? -Infinity : 0, 0];
      for (let i = 0; i < length; i++) {
        if (stable) largest = Math.max(largest, inp.data[at(i)]);
      }
      for (let i = 0; i < length; i++) sum += Math.exp(inp.data[at(i)] - largest);
      for (let i = 0; i < length; i++) out[at(i)] = Math.exp(inp.data[at(i)] - largest) / (divided ? sum : 1);
    }
    return { out };
  },
  mistakes: [
    { what: "exp overflows or vanishes: subtract the row's largest score first", variant: { stable: false } },
    { what: "the division by the sum of the row is missing", variant: { divided: false } },
    { what: "the softmax is over the columns: it is over each row", variant: { columns: true } },
  ],
};

/** mean (1) of the losses (N). */
export const mean: Operation<{ readonly inp: Operand }, { readonly divided?: boolean }> = {
  compute({ inp }, _numbers, { divided = true } = {}) {
    let sum = 0;
    for (const value of inp.data) sum += value;
    return { out: Float64Array.of(sum / (divided ? inp.data.length : 1)) };
  },
  mistakes: [{ what: "the loss is a sum: it is the mean over all B * T positions", variant: { divided: false } }],
};

interface Sum {
  /** The residual stream, and what is added to it. */
  readonly a: Operand;
  readonly b: Operand;
}

/** out = a + b. */
export const residualForward: Operation<Sum, { readonly factors?: readonly [a: number, b: number] }> = {
  compute({ a, b }, _numbers, { factors: [ofA, ofB] = [1, 1] } = {}) {
    return { out: Float64Array.from(a.data, (value, i) => ofA * value + ofB * b.data[i]) };
  },
  mistakes: [
    { what: "the residual stream is not added: it is replaced by the layer's output", variant: { factors: [0, 1] } },
    { what: "the layer's output is not added to the residual stream", variant: { factors: [1, 0] } },
    { what: "the layer's output is added twice", variant: { factors: [1, 2] } },
  ],
};
