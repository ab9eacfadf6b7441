/**
 * GELU (Hendrycks and Gimpel, 2016), GPT-2's activation function, element by element:
 *
 *   gelu(x) = x * cdf(x),   gelu'(x) = cdf(x) + x * pdf(x)                        (product rule)
 *
 * with cdf and pdf of the standard normal distribution. GPT-2 approximates the cdf by a tanh ("tanh"); the exact form
 * needs the error function ("erf"). gelu(x) is close to x for x > 3 and to 0 for x < -3.
 *
 * ```js
 * const out = hostTensor(new Float32Array(3), [3]);
 * geluForward(out, hostTensor(Float32Array.of(-9, 0, 9), [3]), "tanh");
 * out.data // [-0, 0, 9]
 * ```
 */
import type { GeluForm, Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

export const geluForward: Operations<HostTensor>["geluForward"] = (out, inp, form) => {
  const { cdf } = distributions[form];
  for (let i = 0; i < inp.size; i++) out.data[i] = inp.data[i] * cdf(inp.data[i]);
};

/** dinp = dout * gelu'(inp). In place if dinp is dout. */
export const geluBackward: Operations<HostTensor>["geluBackward"] = (dinp, inp, dout, form) => {
  const { cdf, pdf } = distributions[form];
  for (let i = 0; i < inp.size; i++) {
    const x = inp.data[i];
    // forward: out = x * cdf(x)
    dinp.data[i] = dout.data[i] * (cdf(x) + x * pdf(x));
  }
};

interface Distribution {
  cdf(x: number): number;
  /** The derivative of `cdf`. */
  pdf(x: number): number;
}

const S = Math.sqrt(2 / Math.PI);
const CUBE = 0.044715;
const tanhOf = (x: number) => Math.tanh(S * (x + CUBE * x * x * x));
const normalPdf = (x: number) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

const distributions: Readonly<Record<GeluForm, Distribution>> = {
  tanh: {
    cdf: (x) => 0.5 * (1 + tanhOf(x)),
    pdf: (x) => 0.5 * (1 - tanhOf(x) ** 2) * S * (1 + 3 * CUBE * x * x),
  },
  erf: { cdf: normalCdf, pdf: normalPdf },
};

/** 0.5 (1 + erf(x / sqrt 2)) = 0.5 + pdf(x) (x + x³/3 + x⁵/(3 5) + …), as in Marsaglia, 2004. */
function normalCdf(x: number): number {
  if (Math.abs(x) > 9) return x > 0 ? 1 : 0;
  let sum = x;
  let term = x;
  for (let n = 3; Math.abs(term) > 1e-17 * Math.abs(sum); n += 2) {
    term *= (x * x) / n;
    sum += term;
  }
  return 0.5 + normalPdf(x) * sum;
}
