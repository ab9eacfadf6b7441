import { type Backend, view } from "../backend/backend.ts";
import { decodePrompt, decodeStep, forward } from "../model/gpt2.ts";
import type { Parameters } from "../model/tensor-set.ts";
import { type DecodeWorkspace, firstPositions } from "../model/workspace.ts";
import type { Sampler } from "./sampler.ts";

/** Source of the logits of one or more sequences, token after token. */
export interface LogitsSource {
  /** For each sequence, the V logits of what comes next; good until the next call. */
  logits(): Promise<readonly Float32Array[]>;
  /** The token that was chosen, for each sequence. */
  push(tokens: readonly number[]): void;
}

/**
 * Continues B sequences that begin alike. `prompt` holds at least one token, all below V: the caller checks. Of a prompt
 * longer than the workspace's S positions the last S are used.
 *
 * Keys and values of earlier positions stay in the workspace's caches, so each new token costs one position. When all
 * S positions are taken, the older half is dropped and the newer half recomputed at the positions from 0 on:
 * GPT-2's positions are learned and absolute, so cached keys and values cannot move. Forgetting half makes that rare:
 * spread over the S/2 tokens that follow, it doubles their cost at most.
 */
export class Decoder implements LogitsSource {
  readonly #be: Backend;
  readonly #p: Parameters;
  readonly #ws: DecodeWorkspace;
  #contexts: number[][];
  /** A copy of the logits (B,Vp), for all tokens the same array: a new one for each takes six times as long. */
  readonly #logits: Float32Array;
  /** Positions that the caches hold. */
  #past = 0;
  /** True before the first token has been chosen. */
  #alike = true;

  constructor(be: Backend, p: Parameters, ws: DecodeWorkspace, prompt: readonly number[]) {
    this.#be = be;
    this.#p = p;
    this.#ws = ws;
    this.#contexts = ws.prompts.map(() => prompt.slice(-ws.S));
    this.#logits = new Float32Array(ws.logits.size);
  }

  async logits(): Promise<readonly Float32Array[]> {
    const { S, step, logits } = this.#ws;
    if (this.#contexts[0].length > S) {
      this.#contexts = this.#contexts.map((context) => context.slice(-Math.ceil(S / 2)));
      this.#past = 0;
    }
    const { length } = this.#contexts[0];
    if (length - this.#past === 1) {
      await this.#be.write(
        step.tokens,
        Int32Array.from(this.#contexts, (context) => context[length - 1]),
      );
      decodeStep(this.#be, this.#p, this.#ws, this.#past);
    } else if (this.#alike) {
      await this.#readPrompt(0);
      await this.#copyCache(length);
    } else {
      for (const b of this.#contexts.keys()) await this.#readPrompt(b);
    }
    this.#past = length;
    const { V, Vp } = this.#p.config;
    this.#logits.set(await (this.#be.hostMemory?.(logits) ?? this.#be.read(logits)));
    const rowOf = (b: number) => (this.#alike ? 0 : b * Vp);
    return this.#contexts.map((_, b) => this.#logits.subarray(rowOf(b), rowOf(b) + V));
  }

  push(tokens: readonly number[]): void {
    for (const [b, context] of this.#contexts.entries()) context.push(tokens[b]);
    this.#alike = false;
  }

  /** Tokens of sequence `b` that are not in its cache yet, a workspace at a time. */
  async #readPrompt(b: number): Promise<void> {
    const prompt = this.#ws.prompts[b];
    const context = this.#contexts[b];
    for (let past = this.#past; past < context.length; past += prompt.T) {
      const piece = context.slice(past, past + prompt.T);
      await this.#be.write(prompt.tokens, Int32Array.from(piece));
      if (past + piece.length < context.length) forward(this.#be, this.#p, firstPositions(prompt, piece.length), past);
      else decodePrompt(this.#be, this.#p, this.#ws, b, piece.length, past);
    }
  }

  /** Gives the first sequence's keys and values to all others. */
  async #copyCache(positions: number): Promise<void> {
    const [first, ...others] = this.#ws.prompts;
    if (others.length === 0) return;
    const size = positions * this.#p.config.C;
    for (const [l, { cache }] of first.layers.entries()) {
      if (!cache) continue;
      for (const part of ["keys", "values"] as const) {
        const data = await this.#be.read(view(cache[part], 0, [size]));
        for (const { layers } of others) {
          const to = layers[l].cache;
          if (to) await this.#be.write(to[part], data);
        }
      }
    }
  }
}

export interface ContinueOptions {
  /** Tokens to choose. */
  readonly maxTokens: number;
  readonly sampler: Sampler;
  /** Ends the sequence after the token under way. */
  readonly signal?: AbortSignal;
}

/** Continues one sequence, token by token, whatever they are. */
export async function* continueTokens(
  be: Backend,
  p: Parameters,
  ws: DecodeWorkspace,
  prompt: readonly number[],
  { maxTokens, sampler, signal }: ContinueOptions,
): AsyncGenerator<number, void, undefined> {
  const decoder = new Decoder(be, p, ws, prompt);
  for (let n = 0; n < maxTokens && !signal?.aborted; n++) {
    const [logits] = await decoder.logits();
    const token = sampler.next(logits, p.config.V);
    decoder.push([token]);
    yield token;
  }
}
