import { Chat } from "../../src/api/chat.ts";
import type { GPT2 } from "../../src/api/gpt2.ts";
import type { ChatAnswer, ChatRequest, WriteOptions, WriteResult } from "./protocol.ts";
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
  let reason: WriteResult["reason"] = "length";
  await inTurns(events, queue, (event) => {
    pieces.add(event.text);
    if (event.type === "end") reason = reasons[event.reason];
    else tokens++;
  });
  return { text: pieces.finish(), tokens, ms: performance.now() - start, reason };
}

/** A conversation's next answer, in turns likewise. */
export async function answer(
  model: GPT2,
  { system, turns, message }: ChatRequest,
  { maxTokens = 200, ...options }: WriteOptions,
  queue: Queue,
  onPiece: (text: string) => void,
  signal: AbortSignal,
): Promise<ChatAnswer> {
  const chat = await Chat.open(model, { ...options, maxTokens, system }, turns);
  const pieces = new Pieces(onPiece);
  const { reason, leftOut } = await inTurns(chat.send(message, signal), queue, (piece) => pieces.add(piece));
  return { text: pieces.finish(), reason: reasons[reason], leftOut };
}

/** Runs a generator to its end, in turns with other users of the backend; resolves to what it returns. */
async function inTurns<T, R>(
  events: AsyncGenerator<T, R, undefined>,
  queue: Queue,
  onValue: (value: T) => void,
): Promise<R> {
  /** Generates for `ms`; resolves to the end, if it came. */
  const turn = async (ms: number): Promise<IteratorReturnResult<R> | undefined> => {
    for (const end = performance.now() + ms; performance.now() < end; ) {
      const next = await events.next();
      if (next.done) return next;
      onValue(next.value);
    }
    return undefined;
  };
  let finished = false;
  try {
    for (;;) {
      const asked = performance.now();
      const end = await queue.run(() => turn(Math.max(PIECE_MS, performance.now() - asked)));
      finished = end !== undefined;
      if (end) return end.value;
      await letMessagesIn();
    }
  } finally {
    if (!finished) await queue.run(() => events.return(undefined as R));
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
