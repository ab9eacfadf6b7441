import { type Operand, type Operation, rowsOf } from "./operation.ts";

interface Forward {
  /** (N,C) */
  readonly inp: Operand;
  /** (OC,C) */
  readonly weight: Operand;
  /** (OC) */
  readonly bias?: Operand;
}

interface ForwardVariant {
  /** Read the memory of the weight as (C,OC). */
  readonly transposed?: boolean;
  /** How often the bias is added. */
  readonly bias?: number;
}

const transposedWeight =
  "the weight is read as (in, out), and it is (out, in): transposed. Hugging Face's GPT-2 stores it the other way";

/** out (N,OC) = inp weightᵀ + bias. */
export const matmulForward: Operation<Forward, ForwardVariant> = {
  compute({ inp, weight, bias }, _numbers, { transposed = false, bias: biases = 1 } = {}) {
    const [OC, C] = weight.shape;
    const N = rowsOf(inp);
    const out = new Float64Array(N * OC);
    for (let n = 0; n < N; n++)
      for (let o = 0; o < OC; o++) {
        let sum = bias ? biases * bias.data[o] : 0;
        for (let c = 0; c < C; c++) sum += inp.data[n * C + c] * weight.data[transposed ? c * OC + o : o * C + c];
        out[n * OC + o] = sum;
      }
    return { out };
  },
  mistakes: [
    { what: transposedWeight, variant: { transposed: true } },
    { what: "the bias is missing", variant: { bias: 0 } },
    { what: "the bias is added twice", variant: { bias: 2 } },
    { what: "the bias is subtracted", variant: { bias: -1 } },
    { what: `${transposedWeight}; the bias is missing as well`, variant: { transposed: true, bias: 0 } },
  ],
};

interface BackwardInput {
  /** (N,OC) */
  readonly dout: Operand;
  /** (OC,C) */
  readonly weight: Operand;
}

/** dinp (N,C) = dout weight. */
export const matmulBackwardInput: Operation<BackwardInput, { readonly transposed?: boolean }> = {
  compute({ dout, weight }, _numbers, { transposed = false } = {}) {
    const [OC, C] = weight.shape;
    // Of padded logits, only the columns that exist.
    const columns = dout.shape[dout.shape.length - 1];
    const N = rowsOf(dout);
    const dinp = new Float64Array(N * C);
    for (let n = 0; n < N; n++)
      for (let o = 0; o < columns; o++) {
        const dy = dout.data[n * columns + o];
        for (let c = 0; c < C; c++) dinp[n * C + c] += dy * weight.data[transposed ? c * OC + o : o * C + c];
      }
    return { dinp };
  },
  mistakes: [{ what: transposedWeight, variant: { transposed: true } }],
};

interface BackwardWeight {
  readonly dout: Operand;
  readonly inp: Operand;
}

interface WeightVariant {
  readonly transposed?: boolean;
  readonly overwrite?: boolean;
  readonly averaged?: boolean;
}

/** dweight (OC,C) = doutᵀ inp, dbias (OC) = sum of dout over its rows. */
export const matmulBackwardWeight: Operation<BackwardWeight, WeightVariant> = {
  compute({ dout, inp }, _numbers, { transposed = false, overwrite = false, averaged = false } = {}) {
    const OC = dout.shape[dout.shape.length - 1];
    const C = inp.shape[inp.shape.length - 1];
    const N = rowsOf(inp);
    const [dweight, dbias] = [new Float64Array(OC * C), new Float64Array(OC)];
    for (let n = overwrite ? N - 1 : 0; n < N; n++)
      for (let o = 0; o < OC; o++) {
        const dy = dout.data[n * OC + o] / (averaged ? N : 1);
        dbias[o] += dy;
        for (let c = 0; c < C; c++) dweight[transposed ? c * OC + o : o * C + c] += dy * inp.data[n * C + c];
      }
    return { dweight, dbias };
  },
  mistakes: [
    {
      what: "the gradient is written as (in, out), and it is (out, in) like the weight: transposed",
      variant: { transposed: true },
    },
    { what: "each row overwrites the gradient of the one before: rows add up (+=)", variant: { overwrite: true } },
    {
      what: "the gradient is averaged over the rows: it is their sum, since the loss has been divided by their number already",
      variant: { averaged: true },
    },
  ],
};
