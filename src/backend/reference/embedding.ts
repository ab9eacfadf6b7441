/**
 * Token and position embedding: out[b,t] = wte[tokens[b,t]] + wpe[past + t]; of tokens alone where wpe is null.
 *
 * tokens (B,T) int32; wte (Vp,C); wpe (maxT,C); out (B,T,C). `past` is the number of positions already in the key-value
 * cache. Tokens and positions are not checked here: one outside its table gives NaN.
 */
import { matrixOf, type Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

export const embeddingForward: Operations<HostTensor>["embeddingForward"] = (out, tokens, wte, wpe, past) => {
  const [B, T] = tokens.shape;
  const [, C] = matrixOf(out);
  for (let n = 0; n < B * T; n++) {
    const token = tokens.data[n];
    const position = past + (n % T);
    for (let c = 0; c < C; c++) out.data[n * C + c] = wte.data[token * C + c] + (wpe ? wpe.data[position * C + c] : 0);
  }
};

/** dwte[tokens[b,t]] += dout[b,t] and dwpe[t] += dout[b,t]: the gradients of a row used more than once add up. */
export const embeddingBackward: Operations<HostTensor>["embeddingBackward"] = (dwte, dwpe, dout, tokens) => {
  const [B, T] = tokens.shape;
  const [, C] = matrixOf(dout);
  for (let n = 0; n < B * T; n++) {
    const token = tokens.data[n];
    const t = n % T;
    for (let c = 0; c < C; c++) {
      // forward: out[n,c] = wte[token,c] + wpe[t,c]
      dwte.data[token * C + c] += dout.data[n * C + c];
      if (dwpe) dwpe.data[t * C + c] += dout.data[n * C + c];
    }
  }
};
