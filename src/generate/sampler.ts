import { NotFiniteError, shown, UsageError } from "../errors.ts";
import type { OptionNames } from "../option-names.ts";
import { splitmix64 } from "../random/splitmix.ts";
import { Xorshift64 } from "../random/xorshift.ts";
import { keepTop, type TopOptions } from "./keep-top.ts";

/** Options for choosing the next token. */
export interface SamplingOptions {
  /** Divides the logits: <1 sharpens, >1 flattens the distribution, 0 always takes the most probable token; default 1. */
  readonly temperature?: number;
  /** Only the k most probable tokens; default 0: all. */
  readonly topK?: number;
  /** Only the most probable tokens that together reach this probability; default 1: all. */
  readonly topP?: number;
  /** Only tokens at least this share as probable as the most probable one; default 0: all. */
  readonly minP?: number;
  /**
   * Makes tokens that have occurred, in the prompt too, less probable: divides their logits where they are positive,
   * multiplies them where negative (Keskar et al., 2019); 0.001 to 1000, default 1: does nothing.
   */
  readonly repetitionPenalty?: number;
  /**
   * Seed of the random numbers; default 1337, with which they are llm.c's. Any other seed, the next one too, gives numbers
   * that have nothing to do with these.
   */
  readonly seed?: number | bigint;
}

export const samplingOptions: OptionNames<SamplingOptions> = {
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  repetitionPenalty: true,
  seed: true,
};

/** Of `Sampler` alone. */
export interface SamplerOptions extends SamplingOptions {
  /** Uses the seed as the state of llm.c's generator, as in its `rng_state`; default false. */
  readonly llmc?: boolean;
  /** The state of another sampler, which is resumed; the seed does not matter then. */
  readonly state?: bigint;
}

const llmcSeed = 1337n;

/** The state of xorshift64* for a seed: one-to-one, mixed, and llm.c's for llm.c's seed. */
function stateOf(seed: bigint): bigint {
  return splitmix64(seed - llmcSeed) ^ splitmix64(0n) ^ llmcSeed;
}

/** The index of the largest value, the first of several. */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/**
 * Softmax of logits / temperature as llm.c computes it: in single precision, sum and division included, so that the
 * same coin chooses the same token.
 */
export function softmax(logits: Float32Array, temperature = 1): Float32Array {
  const probabilities = new Float32Array(logits.length);
  const max = logits[argmax(logits)];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    probabilities[i] = Math.exp((logits[i] - max) / temperature);
    sum = Math.fround(sum + probabilities[i]);
  }
  for (let i = 0; i < logits.length; i++) probabilities[i] /= sum;
  return probabilities;
}

/** llm.c's rule: the first token whose cumulative probability, summed in single precision, exceeds the coin. */
export function sampleMult(probabilities: Float32Array, coin: number): number {
  let sum = 0;
  for (let i = 0; i < probabilities.length; i++) {
    sum = Math.fround(sum + probabilities[i]);
    if (coin < sum) return i;
  }
  // Rounding left the sum just under the coin: the last token that is possible at all.
  return Math.max(
    0,
    probabilities.findLastIndex((p) => p > 0),
  );
}

/**
 * The first of `V` logits that is NaN or infinite, if any: less itself, such a number is NaN. A callback for each would take
 * ten times as long, Number.isFinite twice.
 */
function notFinite(logits: Float32Array, V: number): number | undefined {
  for (let i = 0; i < V; i++) if (logits[i] - logits[i] !== 0) return logits[i];
  return undefined;
}

/** Chooses tokens, one after the other. Draws one random number a token, none when greedy. */
export class Sampler {
  readonly #temperature: number;
  /** Undefined where all tokens are kept. */
  readonly #top: TopOptions | undefined;
  readonly #penalty: number;
  readonly #excluded: readonly number[];
  readonly #rng: Xorshift64;

  /**
   * `excluded`: ids that are never chosen, those without a token (see `unusedIds`). UsageError when an option is
   * out of its range.
   */
  constructor(options: SamplerOptions = {}, excluded: readonly number[] = []) {
    const {
      temperature = 1,
      topK = 0,
      topP = 1,
      minP = 0,
      repetitionPenalty = 1,
      seed = llmcSeed,
      llmc,
      state,
    } = options;
    if (!(Number.isFinite(temperature) && temperature >= 0))
      throw new UsageError(
        `The temperature is ${shown(temperature)}, expected 0 (always the most probable token) or more.`,
      );
    if (!(Number.isInteger(topK) && topK >= 0))
      throw new UsageError(
        `top-k is ${shown(topK)}, expected a whole number: 0 for all tokens, or how many to choose from.`,
      );
    if (!(Number.isFinite(topP) && topP > 0 && topP <= 1))
      throw new UsageError(`top-p is ${shown(topP)}, expected a number above 0, at most 1.`);
    if (!(Number.isFinite(minP) && minP >= 0 && minP <= 1))
      throw new UsageError(`min-p is ${shown(minP)}, expected a number from 0 to 1.`);
    // Further away it takes logits out of single precision's range.
    if (!(Number.isFinite(repetitionPenalty) && repetitionPenalty >= 0.001 && repetitionPenalty <= 1000))
      throw new UsageError(
        `The repetition penalty is ${shown(repetitionPenalty)}, expected a number from 0.001 to 1000; 1 does nothing.`,
      );
    if (typeof seed !== "bigint" && !Number.isSafeInteger(seed))
      throw new UsageError(`The sampling seed is ${shown(seed)}, expected a whole number.`);
    this.#temperature = topK === 1 ? 0 : temperature;
    if (topK > 0 || topP < 1 || minP > 0) this.#top = { topK, topP, minP };
    this.#penalty = repetitionPenalty;
    this.#excluded = excluded;
    this.#rng = new Xorshift64(state ?? (llmc ? seed : stateOf(BigInt(seed))));
  }

  /** The state of the random numbers: a sampler that gets it chooses what this one would choose next. */
  get state(): bigint {
    return this.#rng.state;
  }

  /**
   * A token from the first `V` logits; `seen` are those that the repetition penalty is for. NotFiniteError when one of
   * the logits is NaN or infinite.
   */
  next(logits: Float32Array, V: number, seen: Iterable<number> = []): number {
    const strange = notFinite(logits, V);
    if (strange !== undefined)
      throw new NotFiniteError(
        `The model's output contains ${strange}, so no token can be chosen. Its weights are damaged: load ` +
          "another checkpoint, or train again with a lower learning rate.",
      );
    const values = this.#adjusted(logits, V, seen);
    if (this.#temperature === 0) return argmax(values);
    const probabilities = softmax(values, this.#temperature);
    if (this.#top) keepTop(probabilities, this.#top);
    return sampleMult(probabilities, this.#rng.randfloat32());
  }

  /** The logits with the repetition penalty, and without the excluded ids: the model's own array where nothing changes. */
  #adjusted(logits: Float32Array, V: number, seen: Iterable<number>): Float32Array {
    if (this.#penalty === 1 && this.#excluded.length === 0) return logits.subarray(0, V);
    const values = logits.slice(0, V);
    if (this.#penalty !== 1)
      for (const token of seen) values[token] *= values[token] > 0 ? 1 / this.#penalty : this.#penalty;
    for (const id of this.#excluded) values[id] = -Infinity;
    return values;
  }
}
