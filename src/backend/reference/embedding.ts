/** out (B,T,C) = wte[tokens (B,T)] + wpe[past + t]: what a token is, plus where it stands. */
export function embeddingForward(
  out: Float32Array,
  tokens: Int32Array,
  wte: Float32Array,
  wpe: Float32Array,
  B: number,
  T: number,
  C: number,
  past: number,
): void {
  for (let n = 0; n < B * T; n++) {
    const token = tokens[n];
    const position = past + (n % T);
    for (let c = 0; c < C; c++) out[n * C + c] = wte[token * C + c] + wpe[position * C + c];
  }
}

/** Each row of dout (B,T,C) is the gradient of one row of wte and of one row of wpe; rows used twice add up. */
export function embeddingBackward(
  dwte: Float32Array,
  dwpe: Float32Array,
  dout: Float32Array,
  tokens: Int32Array,
  B: number,
  T: number,
  C: number,
): void {
  for (let n = 0; n < B * T; n++) {
    const token = tokens[n];
    const t = n % T;
    for (let c = 0; c < C; c++) {
      dwte[token * C + c] += dout[n * C + c];
      dwpe[t * C + c] += dout[n * C + c];
    }
  }
}
