import { type Backend, view } from "../backend/backend.ts";
import { NotFiniteError } from "../errors.ts";
import { logSumExp, topLogprobs } from "../generate/logprobs.ts";
import { logits } from "../model/gpt2.ts";
import type { Parameters } from "../model/tensor-set.ts";
import type { InspectWorkspace } from "../model/workspace.ts";
import { takeTurns } from "../turns.ts";

/** Predictions of the next token at each of T positions. */
export interface Predictions {
  /** Number of most probable tokens reported. */
  readonly top: number;
  /** (T,top) the most probable ones, the best first; of equals the first. */
  readonly tokens: Int32Array;
  /** (T,top) their probabilities. */
  readonly probabilities: Float32Array;
  /** (T) the probability of the token that really came; NaN at the last position, where none did. */
  readonly actual: Float32Array;
  /** (T) its rank, 1 for the most probable; 0 at the last position. */
  readonly rank: Int32Array;
}

/** Selection of the predictions to report. */
export interface Wanted {
  readonly top: number;
  /** Ids without a token, which are no candidates. */
  readonly excluded: ReadonlySet<number>;
}

/** The head applied to ws.lnf.out (T,C), as many positions at once as its scratch memory takes. */
export async function predict(
  backend: Backend,
  parameters: Parameters,
  { T, lnf, headScratch }: InspectWorkspace,
  tokens: Int32Array,
  { top, excluded }: Wanted,
  signal?: AbortSignal,
): Promise<Predictions> {
  const { C, V, Vp } = parameters.config;
  const predictions: Predictions = {
    top,
    tokens: new Int32Array(T * top),
    probabilities: new Float32Array(T * top),
    actual: new Float32Array(T),
    rank: new Int32Array(T),
  };
  const most = Math.floor(headScratch.size / Vp);
  const turn = takeTurns();
  for (let first = 0; first < T; first += most) {
    const count = Math.min(most, T - first);
    const out = view(headScratch, 0, [count, Vp]);
    logits(backend, parameters, out, view(lnf.out, first * C, [count, C]));
    const rows = await backend.read(out);
    for (let i = 0; i < count; i++) {
      judge(predictions, first + i, rows.subarray(i * Vp, i * Vp + V), tokens[first + i + 1], excluded);
      await turn();
      signal?.throwIfAborted();
    }
  }
  return predictions;
}

function judge(
  { top, tokens, probabilities, actual, rank }: Predictions,
  t: number,
  logits: Float32Array,
  came: number | undefined,
  excluded: ReadonlySet<number>,
) {
  const logSum = logSumExp(logits);
  if (!Number.isFinite(logSum))
    throw new NotFiniteError(
      "The model's output is not finite, so there are no probabilities to show. Its weights are damaged: load another " +
        "checkpoint, or train again with a lower learning rate.",
    );
  for (const [i, { token, logprob }] of topLogprobs(logits, top, logSum, excluded).entries()) {
    tokens[t * top + i] = token;
    probabilities[t * top + i] = Math.exp(logprob);
  }
  actual[t] = came === undefined ? Number.NaN : Math.exp(logits[came] - logSum);
  rank[t] = came === undefined ? 0 : rankOf(logits, came);
}

function rankOf(logits: Float32Array, token: number): number {
  let rank = 1;
  for (let i = 0; i < logits.length; i++)
    if (logits[i] > logits[token] || (logits[i] === logits[token] && i < token)) rank++;
  return rank;
}
