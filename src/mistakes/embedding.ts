import type { Operand, Operation } from "./operation.ts";

interface Tables {
  /** (B,T) */
  readonly tokens: Operand;
  /** (V,C) */
  readonly wte: Operand;
  /** (maxT,C); none with rotary positions. */
  readonly wpe?: Operand;
}

interface ForwardVariant {
  readonly token?: boolean;
  readonly position?: boolean;
  /** The row of wpe for row n of the batch. */
  readonly positionOf?: (n: number, T: number, B: number) => number;
  readonly scale?: (C: number) => number;
}

/** out (B,T,C) = wte[tokens] + wpe[t]. */
export const embeddingForward: Operation<Tables, ForwardVariant> = {
  compute({ tokens, wte, wpe }, _numbers, variant = {}) {
    const { token = true, position = true, positionOf = (n, T) => n % T, scale = () => 1 } = variant;
    const [B, T] = tokens.shape;
    const C = wte.shape[1];
    const out = new Float64Array(B * T * C);
    for (let n = 0; n < B * T; n++)
      for (let c = 0; c < C; c++) {
        const fromToken = token ? wte.data[tokens.data[n] * C + c] : 0;
        const fromPosition = wpe && position ? wpe.data[positionOf(n, T, B) * C + c] : 0;
        out[n * C + c] = fromToken * scale(C) + fromPosition;
      }
    return { out };
  },
  mistakes: [
    { what: "the position embedding wpe is not added", variant: { position: false } },
    { what: "the token embedding wte is not added", variant: { token: false } },
    { what: "positions are counted from 1, not from 0", variant: { positionOf: (n, T) => (n % T) + 1 } },
    {
      what: "positions go on from one sequence of the batch to the next: the row of wpe is t, which starts at 0 in each",
      variant: { positionOf: (n) => n },
    },
    {
      what: "the row of wpe is the sequence b, and should be the position t",
      variant: { positionOf: (n, T) => Math.floor(n / T) },
    },
    { what: "the token embedding is scaled by sqrt(C), which GPT-2 does not do", variant: { scale: Math.sqrt } },
  ],
};

interface Backward {
  /** (B,T,C) */
  readonly dout: Operand;
  readonly tokens: Operand;
  /** (V,C) the gradient that the head has given, to which this one is added. */
  readonly dwte: Operand;
  /** (maxT,C), for its shape; none with rotary positions. */
  readonly wpe?: Operand;
}

interface BackwardVariant {
  /** Without the head's gradient, or without the embedding's. */
  readonly head?: boolean;
  readonly embedding?: boolean;
  /** A token or position that occurs again replaces what is there. */
  readonly overwrite?: boolean;
  readonly wpeScale?: (B: number) => number;
}

/** dwte[tokens] += dout, dwpe[t] += dout: rows that are used more than once add up. */
export const embeddingBackward: Operation<Backward, BackwardVariant> = {
  compute({ dout, tokens, dwte: fromHead, wpe }, _numbers, variant = {}) {
    const { head = true, embedding = true, overwrite = false, wpeScale = () => 1 } = variant;
    const [B, T] = tokens.shape;
    const [, C] = fromHead.shape;
    const dwte = head ? Float64Array.from(fromHead.data) : new Float64Array(fromHead.data.length);
    const dwpe = new Float64Array(wpe?.data.length ?? 0);
    const base = Float64Array.from(dwte);
    for (let n = 0; n < B * T; n++)
      for (let c = 0; c < C; c++) {
        const dy = dout.data[n * C + c];
        const row = tokens.data[n] * C + c;
        if (embedding) dwte[row] = (overwrite ? base[row] : dwte[row]) + dy;
        if (wpe) dwpe[(n % T) * C + c] = (overwrite ? 0 : dwpe[(n % T) * C + c]) + dy * wpeScale(B);
      }
    return { dwte, ...(wpe && { dwpe }) };
  },
  mistakes: [
    {
      what: "wte's gradient is the head's alone: wte is used twice, as embedding and as head, and both gradients add up",
      variant: { embedding: false },
    },
    {
      what: "wte's gradient is the embedding's alone: wte is used twice, as embedding and as head, and both gradients add up",
      variant: { head: false },
    },
    {
      what: "a token or position that occurs more than once keeps its last gradient only: they add up (+=)",
      variant: { overwrite: true },
    },
    {
      what: "wpe's gradient is averaged over the sequences of the batch: they add up",
      variant: { wpeScale: (B) => 1 / B },
    },
  ],
};
