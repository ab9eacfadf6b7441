import { matrixOf, type Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

/** out (B,T,C) = wte[tokens (B,T)] + wpe[past + t]: what a token is, plus where it stands. */
export const embeddingForward: Operations<HostTensor>["embeddingForward"] = (out, tokens, wte, wpe, past) => {
  const [B, T] = tokens.shape;
  const [, C] = matrixOf(out);
  for (let n = 0; n < B * T; n++) {
    const token = tokens.data[n];
    const position = past + (n % T);
    for (let c = 0; c < C; c++) out.data[n * C + c] = wte.data[token * C + c] + wpe.data[position * C + c];
  }
};

/** Each row of dout (B,T,C) is the gradient of one row of wte and of one row of wpe; rows used twice add up. */
export const embeddingBackward: Operations<HostTensor>["embeddingBackward"] = (dwte, dwpe, dout, tokens) => {
  const [B, T] = tokens.shape;
  const [, C] = matrixOf(dout);
  for (let n = 0; n < B * T; n++) {
    const token = tokens.data[n];
    const t = n % T;
    for (let c = 0; c < C; c++) {
      dwte.data[token * C + c] += dout.data[n * C + c];
      dwpe.data[t * C + c] += dout.data[n * C + c];
    }
  }
};
