const S = Math.sqrt(2 / Math.PI);
const CUBE = 0.044715;

/** The tanh form of GELU, GPT-2's non-linearity: smooth, near 0 below and near x above. Hendrycks and Gimpel, 2016. */
export function geluForward(out: Float32Array, inp: Float32Array): void {
  for (let i = 0; i < inp.length; i++) {
    const x = inp[i];
    out[i] = 0.5 * x * (1 + Math.tanh(S * (x + CUBE * x * x * x)));
  }
}

/** dinp = dout * gelu'(inp); dinp may be dout. */
export function geluBackward(dinp: Float32Array, inp: Float32Array, dout: Float32Array): void {
  for (let i = 0; i < inp.length; i++) {
    const x = inp[i];
    const tanh = Math.tanh(S * (x + CUBE * x * x * x));
    const dtanh = (1 - tanh * tanh) * S * (1 + 3 * CUBE * x * x);
    dinp[i] = dout[i] * (0.5 * (1 + tanh) + 0.5 * x * dtanh);
  }
}
