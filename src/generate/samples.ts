import { TextStream, type Tokenizer } from "../tokenizer/tokenizer.ts";
import type { LogitsSource } from "./decoder.ts";
import { logSumExp, type TokenLogprob, topLogprobs } from "./logprobs.ts";
import type { Sampler } from "./sampler.ts";
import { StopFilter } from "./stop.ts";

/** Reason for which a text ended: enough tokens, a stop string, the end-of-text token, or the signal. */
export type FinishReason = "length" | "stop" | "end-of-text" | "interrupted";

export interface TokenEvent {
  readonly type: "token";
  /** Index of the sample, from 0. */
  readonly sample: number;
  readonly token: number;
  /** The text that this token settles: whole characters, and nothing that may belong to a stop string. */
  readonly text: string;
  /** If requested: the model's own log probability of the token, and the most likely tokens. */
  readonly logprob?: number;
  readonly top?: readonly TokenLogprob[];
}

export interface EndEvent {
  readonly type: "end";
  readonly sample: number;
  readonly reason: FinishReason;
  /** Text that was still kept back. */
  readonly text: string;
}

export type GenerateEvent = TokenEvent | EndEvent;

export interface WriterOptions {
  readonly tokenizer?: Tokenizer;
  readonly stop: readonly string[];
  /** The tokens that end a text; they are not part of it. */
  readonly endTokens: readonly number[];
  /** Ids without a token: left out of the most likely ones. */
  readonly excluded: ReadonlySet<number>;
  /** Number of most likely tokens to return with their log probabilities; undefined: none, and no log probability. */
  readonly logprobs?: number;
}

/** One sample: chooses its tokens and makes text of them. */
export class SampleWriter {
  readonly #sample: number;
  readonly #sampler: Sampler;
  readonly #options: WriterOptions;
  readonly #text: TextStream | undefined;
  readonly #filter: StopFilter;
  readonly #seen: Set<number>;
  #ended = false;

  constructor(sample: number, sampler: Sampler, prompt: readonly number[], options: WriterOptions) {
    this.#sample = sample;
    this.#sampler = sampler;
    this.#options = options;
    this.#text = options.tokenizer && new TextStream(options.tokenizer);
    this.#filter = new StopFilter(options.stop);
    this.#seen = new Set(prompt);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Chooses the next token and returns its event; ends the text if the token does. */
  next(logits: Float32Array): { readonly token: number; readonly events: readonly GenerateEvent[] } {
    const token = this.#sampler.next(logits, logits.length, this.#seen);
    if (this.#options.endTokens.includes(token)) return { token, events: [this.end("end-of-text")] };
    this.#seen.add(token);
    const text = this.#filter.push(this.#text?.push(token) ?? "");
    const event: TokenEvent = { type: "token", sample: this.#sample, token, text, ...this.#logprobs(logits, token) };
    return { token, events: this.#filter.stopped ? [event, this.end("stop")] : [event] };
  }

  end(reason: FinishReason): EndEvent {
    this.#ended = true;
    const text = this.#filter.push(this.#text?.end() ?? "") + this.#filter.end();
    return { type: "end", sample: this.#sample, reason, text };
  }

  #logprobs(logits: Float32Array, token: number): Pick<TokenEvent, "logprob" | "top"> {
    const { logprobs: count, excluded } = this.#options;
    if (count === undefined) return {};
    const logSum = logSumExp(logits);
    return { logprob: logits[token] - logSum, top: topLogprobs(logits, count, logSum, excluded) };
  }
}

/** Continues as many sequences as `source` has, all together, until each has ended. */
export async function* writeSamples(
  source: LogitsSource,
  writers: readonly SampleWriter[],
  maxTokens: number,
  signal?: AbortSignal,
): AsyncGenerator<GenerateEvent, void, undefined> {
  let n = 0;
  for (; n < maxTokens && !signal?.aborted; n++) {
    const logits = await source.logits();
    const tokens: number[] = [];
    for (const [b, writer] of writers.entries()) {
      // The tokens of an ended sequence are never read.
      const { token, events } = writer.ended ? { token: 0, events: [] } : writer.next(logits[b]);
      tokens.push(token);
      yield* events;
    }
    if (writers.every(({ ended }) => ended)) return;
    source.push(tokens);
  }
  // A signal after the last token interrupts nothing.
  for (const writer of writers) if (!writer.ended) yield writer.end(n < maxTokens ? "interrupted" : "length");
}
