import type { Backend } from "../backend/backend.ts";
import type { Parameters } from "../model/tensor-set.ts";
import type { DecodeWorkspace } from "../model/workspace.ts";
import { Decoder } from "./decoder.ts";
import type { Sampler } from "./sampler.ts";

export interface ContinueOptions {
  /** Tokens to choose. */
  readonly maxTokens: number;
  readonly sampler: Sampler;
  /** Ends the sequence after the token under way. */
  readonly signal?: AbortSignal;
}

/** Continues one sequence, token by token, whatever they are: see `Decoder`. */
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
