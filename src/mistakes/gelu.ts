import type { GeluForm } from "../backend/backend.ts";
import type { Operand, Operation } from "./operation.ts";

const S = Math.sqrt(2 / Math.PI);

/** The error function, by its series, to about 1e-15 for |x| < 6. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

type Curve = (x: number) => number;

const tanhArgument: Curve = (x) => S * (x + 0.044715 * x ** 3);
const sigmoid: Curve = (x) => 1 / (1 + Math.exp(-x));
const cdf: Readonly<Record<GeluForm, Curve>> = {
  tanh: (x) => 0.5 * (1 + Math.tanh(tanhArgument(x))),
  erf: (x) => 0.5 * (1 + erf(x / Math.SQRT2)),
};
const pdf: Readonly<Record<GeluForm, Curve>> = {
  tanh: (x) => 0.5 * (1 - Math.tanh(tanhArgument(x)) ** 2) * S * (1 + 3 * 0.044715 * x * x),
  erf: (x) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI),
};
const gelu =
  (form: GeluForm): Curve =>
  (x) =>
    x * cdf[form](x);
const geluSlope =
  (form: GeluForm): Curve =>
  (x) =>
    cdf[form](x) + x * pdf[form](x);
const otherForm = (form: GeluForm): GeluForm => (form === "tanh" ? "erf" : "tanh");

interface ForwardVariant {
  readonly curve?: (form: GeluForm) => Curve;
}

const wrongForm =
  "it is GELU's other form: GPT-2 has the approximation by tanh (gelu_new), others the exact one by erf";

/** out = inp * cdf(inp). */
export const geluForward: Operation<{ readonly inp: Operand }, ForwardVariant> = {
  compute({ inp }, numbers, { curve = gelu } = {}) {
    return { out: Float64Array.from(inp.data, curve(numbers.gelu)) };
  },
  mistakes: [
    { what: wrongForm, variant: { curve: (form) => gelu(otherForm(form)) } },
    { what: "it is a ReLU: GPT-2 has a GELU", variant: { curve: () => (x) => Math.max(0, x) } },
    { what: "the factor 0.5 is missing", variant: { curve: (form) => (x) => 2 * x * cdf[form](x) } },
    { what: "the factor x is missing: gelu(x) = x * cdf(x)", variant: { curve: (form) => cdf[form] } },
    {
      what: "it is the approximation by a sigmoid, x * sigmoid(1.702 x)",
      variant: { curve: () => (x) => x * sigmoid(1.702 * x) },
    },
    { what: "it is SiLU, x * sigmoid(x)", variant: { curve: () => (x) => x * sigmoid(x) } },
    {
      what: "the cubic term 0.044715 x³ is missing inside the tanh",
      variant: { curve: () => (x) => 0.5 * x * (1 + Math.tanh(S * x)) },
    },
    {
      what: "the factor sqrt(2/pi) is missing inside the tanh",
      variant: { curve: () => (x) => 0.5 * x * (1 + Math.tanh(tanhArgument(x) / S)) },
    },
    {
      what: "sqrt(2/pi) multiplies x alone: it multiplies the whole sum x + 0.044715 x³",
      variant: { curve: () => (x) => 0.5 * x * (1 + Math.tanh(S * x + 0.044715 * x ** 3)) },
    },
  ],
};

interface BackwardVariant {
  readonly slope?: (form: GeluForm) => Curve;
}

/** dinp = dout * (cdf(inp) + inp * pdf(inp)). */
export const geluBackward: Operation<{ readonly dout: Operand; readonly inp: Operand }, BackwardVariant> = {
  compute({ dout, inp }, numbers, { slope = geluSlope } = {}) {
    const curve = slope(numbers.gelu);
    return { dinp: Float64Array.from(inp.data, (x, i) => dout.data[i] * curve(x)) };
  },
  mistakes: [
    { what: wrongForm, variant: { slope: (form) => geluSlope(otherForm(form)) } },
    { what: "the term x * pdf(x) of the product rule is missing", variant: { slope: (form) => cdf[form] } },
    { what: "the term cdf(x) of the product rule is missing", variant: { slope: (form) => (x) => x * pdf[form](x) } },
    {
      what: "the derivative is taken at GELU's output: it is taken at its input",
      variant: { slope: (form) => (x) => geluSlope(form)(gelu(form)(x)) },
    },
    { what: "dout is not multiplied by the derivative", variant: { slope: () => () => 1 } },
    { what: "it is the derivative of a ReLU", variant: { slope: () => (x) => (x > 0 ? 1 : 0) } },
    {
      what: "the derivative of the inside of the tanh lacks the factor 3: (0.044715 x³)' = 3 * 0.044715 x²",
      variant: {
        slope: () => (x) => cdf.tanh(x) + x * 0.5 * (1 - Math.tanh(tanhArgument(x)) ** 2) * S * (1 + 0.044715 * x * x),
      },
    },
    {
      what: "the inner derivative, sqrt(2/pi) (1 + 3 * 0.044715 x²), is missing",
      variant: { slope: () => (x) => cdf.tanh(x) + x * 0.5 * (1 - Math.tanh(tanhArgument(x)) ** 2) },
    },
  ],
};
