import type { GeluForm, Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

/**
 * GELU, GPT-2's non-linearity: smooth, near 0 below and near x above. Hendrycks and Gimpel, 2016. It is x times the share
 * of a normal distribution below x; GPT-2 approximates that share by tanh.
 */
export const geluForward: Operations<HostTensor>["geluForward"] = (out, inp, form) => {
  const { share } = forms[form];
  for (let i = 0; i < inp.size; i++) out.data[i] = inp.data[i] * share(inp.data[i]);
};

/** dinp = dout * gelu'(inp), by the product rule; dinp may be dout. */
export const geluBackward: Operations<HostTensor>["geluBackward"] = (dinp, inp, dout, form) => {
  const { share, slope } = forms[form];
  for (let i = 0; i < inp.size; i++) {
    const x = inp.data[i];
    dinp.data[i] = dout.data[i] * (share(x) + x * slope(x));
  }
};

interface Form {
  share(x: number): number;
  /** The derivative of `share`. */
  slope(x: number): number;
}

const S = Math.sqrt(2 / Math.PI);
const CUBE = 0.044715;
const tanhOf = (x: number) => Math.tanh(S * (x + CUBE * x * x * x));
const density = (x: number) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

const forms: Readonly<Record<GeluForm, Form>> = {
  tanh: {
    share: (x) => 0.5 * (1 + tanhOf(x)),
    slope: (x) => 0.5 * (1 - tanhOf(x) ** 2) * S * (1 + 3 * CUBE * x * x),
  },
  erf: { share: normalBelow, slope: density },
};

/** 0.5 (1 + erf(x / sqrt 2)) = 0.5 + density(x) (x + x³/3 + x⁵/(3 5) + …): Marsaglia, 2004. */
function normalBelow(x: number): number {
  if (Math.abs(x) > 9) return x > 0 ? 1 : 0;
  let sum = x;
  let term = x;
  for (let n = 3; Math.abs(term) > 1e-17 * Math.abs(sum); n += 2) {
    term *= (x * x) / n;
    sum += term;
  }
  return 0.5 + density(x) * sum;
}
