import { type Operand, type Operation, rowsOf } from "./operation.ts";

interface Forward {
  /** (N,C) */
  readonly inp: Operand;
  /** (C) */
  readonly weight: Operand;
  /** (C); none: RMS norm, without mean. */
  readonly bias?: Operand;
}

interface ForwardVariant {
  readonly weight?: boolean;
  readonly bias?: boolean;
  readonly swapped?: boolean;
  readonly centred?: boolean;
  readonly divisor?: (C: number) => number;
  readonly rstd?: (variance: number, epsilon: number) => number;
}

/** out (N,C) = (inp - mean) * rstd * weight + bias; mean (N), rstd (N). */
export const layernormForward: Operation<Forward, ForwardVariant> = {
  compute({ inp, weight, bias }, { epsilon }, variant = {}) {
    const { centred = true, divisor = (C) => C, rstd: rstdOf = (variance, e) => 1 / Math.sqrt(variance + e) } = variant;
    const C = weight.data.length;
    const N = rowsOf(inp);
    const [out, mean, rstd] = [new Float64Array(N * C), new Float64Array(N), new Float64Array(N)];
    const [scale, shift] = variant.swapped && bias ? [bias, weight] : [weight, bias];
    for (let n = 0; n < N; n++) {
      const x = inp.data.subarray(n * C, (n + 1) * C);
      if (bias && centred) for (const value of x) mean[n] += value / C;
      let squares = 0;
      for (const value of x) squares += (value - mean[n]) ** 2;
      rstd[n] = rstdOf(squares / divisor(C), epsilon);
      for (let c = 0; c < C; c++)
        out[n * C + c] =
          (x[c] - mean[n]) * rstd[n] * (variant.weight === false ? 1 : scale.data[c]) +
          (shift && variant.bias !== false ? shift.data[c] : 0);
    }
    return { out, rstd, ...(bias && { mean }) };
  },
  mistakes: [
    { what: "the weight is missing: the normalised row is multiplied by it", variant: { weight: false } },
    { what: "the bias is missing", variant: { bias: false } },
    { what: "weight and bias are exchanged", variant: { swapped: true } },
    { what: "the mean is not subtracted", variant: { centred: false } },
    { what: "the variance is divided by C - 1: layernorm divides by C", variant: { divisor: (C) => C - 1 } },
    { what: "the variance is a sum: divide it by C", variant: { divisor: () => 1 } },
    {
      what: "epsilon is added to the standard deviation: it is added to the variance, inside the root",
      variant: { rstd: (variance, e) => 1 / (Math.sqrt(variance) + e) },
    },
    { what: "epsilon is missing inside the root", variant: { rstd: (variance) => 1 / Math.sqrt(variance) } },
    {
      what: "the root is missing: rows are divided by the variance",
      variant: { rstd: (variance, e) => 1 / (variance + e) },
    },
    {
      what: "rows are multiplied by the standard deviation, not divided",
      variant: { rstd: (variance, e) => Math.sqrt(variance + e) },
    },
  ],
};

interface Backward {
  /** (N,C) */
  readonly dout: Operand;
  readonly inp: Operand;
  readonly weight: Operand;
  /** (N); none: RMS norm. */
  readonly mean?: Operand;
  readonly rstd: Operand;
  /** (N,C) the gradient of the residual stream, to which dinp is added; none: zeros. */
  readonly dresidual?: Operand;
}

interface BackwardVariant {
  readonly meanTerm?: boolean;
  readonly normTerm?: boolean;
  readonly weight?: boolean;
  readonly rstd?: boolean;
  readonly residual?: boolean;
  readonly averaged?: boolean;
  /** What dweight multiplies dout by. */
  readonly weightInput?: "norm" | "inp" | "centred";
}

/** dinp (N,C) += rstd * (dnorm - avg(dnorm) - norm * avg(dnorm * norm)); dweight (C), dbias (C). */
export const layernormBackward: Operation<Backward, BackwardVariant> = {
  compute({ dout, inp, weight, mean, rstd, dresidual }, _numbers, variant = {}) {
    const { meanTerm = true, normTerm = true, residual = true, averaged = true, weightInput = "norm" } = variant;
    const C = weight.data.length;
    const N = rowsOf(inp);
    const dinp = residual && dresidual ? Float64Array.from(dresidual.data) : new Float64Array(N * C);
    const [dweight, dbias] = [new Float64Array(C), new Float64Array(C)];
    const divisor = averaged ? C : 1;
    for (let n = 0; n < N; n++) {
      const scale = rstd.data[n];
      const centredAt = (c: number) => inp.data[n * C + c] - (mean?.data[n] ?? 0);
      const dnormAt = (c: number) => dout.data[n * C + c] * (variant.weight === false ? 1 : weight.data[c]);
      let [dnormAverage, dnormNormAverage] = [0, 0];
      for (let c = 0; c < C; c++) {
        const dy = dout.data[n * C + c];
        const factors = { norm: centredAt(c) * scale, centred: centredAt(c), inp: inp.data[n * C + c] };
        dweight[c] += dy * factors[weightInput];
        dbias[c] += dy;
        if (mean && meanTerm) dnormAverage += dnormAt(c) / divisor;
        if (normTerm) dnormNormAverage += (dnormAt(c) * factors.norm) / divisor;
      }
      for (let c = 0; c < C; c++)
        dinp[n * C + c] +=
          (variant.rstd === false ? 1 : scale) * (dnormAt(c) - dnormAverage - centredAt(c) * scale * dnormNormAverage);
    }
    return { dinp, dweight, ...(mean && { dbias }) };
  },
  mistakes: [
    {
      what: "the gradient of the residual stream is overwritten: the layernorm's is added to it (+=)",
      variant: { residual: false },
    },
    {
      what: "mean and rstd are taken as constants: both depend on every element of the row, hence two averages are subtracted",
      variant: { meanTerm: false, normTerm: false },
    },
    { what: "the average of dnorm, which flows through the mean, is not subtracted", variant: { meanTerm: false } },
    {
      what: "norm times the average of dnorm * norm, which flows through rstd, is not subtracted",
      variant: { normTerm: false },
    },
    { what: "the two averages are sums: divide them by C", variant: { averaged: false } },
    { what: "the weight is missing: dnorm = dout * weight", variant: { weight: false } },
    { what: "the factor rstd is missing", variant: { rstd: false } },
    { what: "dweight multiplies by the input: it multiplies by the normalised input", variant: { weightInput: "inp" } },
    { what: "dweight lacks the factor rstd", variant: { weightInput: "centred" } },
  ],
};
