import type { GPT2 } from "../../src/api/gpt2.ts";
import type { WriteOptions, WriteResult } from "./protocol.ts";
import { letMessagesIn, type Queue } from "./queue.ts";

/** Least milliseconds between two pieces of text. */
const PIECE_MS = 50;

const reasons = { length: "length", stop: "length", "end-of-text": "end-of-text", interrupted: "interrupted" } as const;

/**
 * Continues a text in turns with other users of the backend, such as a run: each turn is as long as the wait before it.
 */
export async function writeText(
  model: GPT2,
  prompt: string,
  { maxTokens = 200, ...options }: WriteOptions,
  queue: Queue,
  onPiece: (text: string) => void,
  signal: AbortSignal,
): Promise<Omit<WriteResult, "step">> {
  model.requireTokenizer();
  const start = performance.now();
  const events = model.generateSamples(prompt, { ...options, maxTokens, signal });
  const pieces = new Pieces(onPiece);
  let tokens = 0;
  /** Generates for `ms`; resolves to the reason if the text has ended. */
  const turn = async (ms: number): Promise<WriteResult["reason"] | undefined> => {
    for (const end = performance.now() + ms; performance.now() < end; ) {
      const { value, done } = await events.next();
      if (done) return "length";
      pieces.add(value.text);
      if (value.type === "end") return reasons[value.reason];
      tokens++;
    }
    return undefined;
  };
  try {
    for (;;) {
      const asked = performance.now();
      const reason = await queue.run(() => turn(Math.max(PIECE_MS, performance.now() - asked)));
      if (reason !== undefined) return { text: pieces.finish(), tokens, ms: performance.now() - start, reason };
      await letMessagesIn();
    }
  } finally {
    await queue.run(() => events.return());
  }
}

/** Merges small pieces of text into larger ones. */
class Pieces {
  readonly #onPiece: (text: string) => void;
  #whole = "";
  #piece = "";
  #sent = performance.now();

  constructor(onPiece: (text: string) => void) {
    this.#onPiece = onPiece;
  }

  add(text: string): void {
    this.#whole += text;
    this.#piece += text;
    if (performance.now() - this.#sent >= PIECE_MS) this.#flush();
  }

  finish(): string {
    this.#flush();
    return this.#whole;
  }

  #flush(): void {
    if (this.#piece !== "") this.#onPiece(this.#piece);
    this.#piece = "";
    this.#sent = performance.now();
  }
}
