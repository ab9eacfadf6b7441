import type { LoaderPosition } from "../data/order.ts";
import { InputError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import type { Evaluation } from "./evaluate.ts";
import { emptyWindow, type OutlierWindow, outlierWindow } from "./outliers.ts";

/**
 * All that a trainer knows besides weights and moments. With those it makes a trainer that continues as if nothing had
 * been: bit for bit. Plain data, to be kept as JSON.
 */
export interface TrainerState {
  /** Updates made, those skipped included. */
  step: number;
  /** Batches used. */
  batches: number;
  /** Position of the loader before the first unused batch, if it has positions. */
  loader?: LoaderPosition;
  /** The state of the samples' random numbers, in decimal digits; absent before the first sample. */
  sampler?: string;
  /** The last losses and norms of gradients. */
  losses: OutlierWindow;
  norms: OutlierWindow;
  /** The best validation loss so far, and after how many updates it came. */
  best?: { loss: number; step: number };
  /** Validations since then. */
  validationsSinceBest: number;
  /** Updates that had been made when the run began, before which it validates; 0 where that is not known. */
  first?: number;
  /** The last training loss and validation loss of the run, where there is one. */
  loss?: number;
  valLoss?: number;
  /** Of the last validation, where there is a tokenizer. */
  bitsPerByte?: number;
  /** After how many updates the last validation and the last sample came. */
  validatedAt?: number;
  sampledAt?: number;
  /** Updates that were skipped, by reason, and how many of the last in a row because something was not finite. */
  skipped: { loss: number; norm: number; nan: number };
  notFiniteInARow: number;
  /** Milliseconds of all runs, where that is known: what a time budget counts. */
  ms?: number;
  /** The minutes of the time budget that ended the run, where one did. */
  usedUp?: number;
}

export function initialState(): TrainerState {
  return {
    step: 0,
    batches: 0,
    losses: emptyWindow(),
    norms: emptyWindow(),
    validationsSinceBest: 0,
    skipped: { loss: 0, norm: 0, nan: 0 },
    notFiniteInARow: 0,
    ms: 0,
  };
}

/** Keeps a validation's result, and whether its loss is better than the best by more than `delta`. */
export function recordValidation(state: TrainerState, { loss, bitsPerByte }: Evaluation, delta = 0): void {
  const { step, best } = state;
  state.validatedAt = step;
  state.valLoss = loss;
  state.bitsPerByte = bitsPerByte;
  const isBetter = best === undefined || loss < best.loss - delta;
  if (isBetter) state.best = { loss, step };
  state.validationsSinceBest = isBetter ? 0 : state.validationsSinceBest + 1;
}

type Check = (value: unknown) => boolean;

const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
/** JSON has null for a number that is not finite. */
const isNumber: Check = (value) => typeof value === "number" || value === null;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const isWindow: Check = (value) => {
  if (!isObject(value)) return false;
  const { values, oldest, sum, sumOfSquares } = value;
  if (!Array.isArray(values) || values.length > outlierWindow) return false;
  return [...values, sum, sumOfSquares].every(Number.isFinite) && isCount(oldest) && Number(oldest) < outlierWindow;
};

const stateChecks: Readonly<Record<keyof TrainerState, Check>> = {
  step: isCount,
  batches: isCount,
  loader: optional(isObject),
  sampler: optional((value) => typeof value === "string" && /^\d+$/.test(value)),
  losses: isWindow,
  norms: isWindow,
  best: optional((value) => isObject(value) && Number.isFinite(value.loss) && isCount(value.step)),
  validationsSinceBest: isCount,
  first: optional(isCount),
  loss: optional(isNumber),
  valLoss: optional(isNumber),
  bitsPerByte: optional(isNumber),
  validatedAt: optional(isCount),
  sampledAt: optional(isCount),
  skipped: (value) => isObject(value) && [value.loss, value.norm, value.nan].every(isCount),
  notFiniteInARow: isCount,
  ms: optional(isNumber),
  usedUp: optional(isNumber),
};

/** InputError when a state that was kept somewhere cannot be one: names the first part that cannot. */
export function checkState(state: unknown): asserts state is TrainerState {
  const damaged = (what: string) => new InputError(`The trainer's state is damaged: ${what}. Use another checkpoint.`);
  if (!isObject(state)) throw damaged(`it is ${JSON.stringify(state)}, expected an object`);
  for (const [name, isFine] of Object.entries(stateChecks))
    if (!isFine(state[name])) throw damaged(`${name} cannot be ${JSON.stringify(state[name])?.slice(0, 100)}`);
}
