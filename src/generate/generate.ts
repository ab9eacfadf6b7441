import type { Backend } from "../backend/backend.ts";
import { decode, forward } from "../model/gpt2.ts";
import type { Parameters } from "../model/parameters.ts";
import type { DecodeWorkspace } from "../model/workspace.ts";
import type { Sampler } from "./sampler.ts";

export interface ContinueOptions {
  /** Tokens to choose. */
  readonly maxTokens: number;
  readonly sampler: Sampler;
  /** Ends the sequence after the token under way. */
  readonly signal?: AbortSignal;
}

/**
 * Continues a sequence, token by token. `prompt` holds at least one token, all below V: the caller checks. Of a prompt
 * longer than the workspace's S positions the last S are used.
 *
 * Keys and values of earlier positions stay in the workspace's caches, so each new token costs one position. When all
 * S positions are taken, the older half is forgotten and the newer half computed again at the positions from 0 on:
 * GPT-2's positions are learned and absolute, so cached keys and values cannot move. Forgetting half makes that rare:
 * spread over the S/2 tokens that follow, it doubles their cost at most.
 */
export async function* continueTokens(
  be: Backend,
  p: Parameters,
  ws: DecodeWorkspace,
  prompt: readonly number[],
  { maxTokens, sampler, signal }: ContinueOptions,
): AsyncGenerator<number, void, undefined> {
  const { S } = ws;
  let context = prompt.slice(-S);
  let past = 0;
  for (let n = 0; n < maxTokens && !signal?.aborted; n++) {
    if (context.length > S) {
      context = context.slice(-Math.ceil(S / 2));
      past = 0;
    }
    for (; past < context.length; past = Math.min(past + ws.T, context.length)) {
      const piece = context.slice(past, past + ws.T);
      await be.write(ws.tokens, Int32Array.from(piece));
      if (past + piece.length < context.length) forward(be, p, ws, piece.length, past);
      else decode(be, p, ws, piece.length, past);
    }
    const token = sampler.next(await be.read(ws.logits), p.config.V);
    context.push(token);
    yield token;
  }
}
