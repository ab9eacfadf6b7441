import type { Backend } from "../backend/backend.ts";
import { describeNotFinite, firstNotFinite, notFiniteError } from "../model/not-finite.ts";
import type { TensorSet } from "../model/tensor-set.ts";
import type { StepEvent } from "./events.ts";
import type { TrainerOptions } from "./options.ts";
import { zScore } from "./outliers.ts";
import type { TrainerState } from "./state.ts";

/** What is known of a step before its update: whether to make it. */
export type Verdict = Pick<StepEvent, "skipped" | "lossZ" | "normZ" | "notFinite">;

/** Steps in a row that may be skipped since something is not finite. */
const mostInARow = 10;

/**
 * Decides by a step's loss and norm whether its update is to be made, and keeps the count. NotFiniteError when the run
 * is to stop.
 */
export async function judge(
  be: Backend,
  weights: TensorSet,
  grads: TensorSet,
  { loss, norm }: { readonly loss: number; readonly norm: number },
  state: TrainerState,
  { skipLossZ, skipNormZ, onNotFinite }: Required<TrainerOptions>,
): Promise<Verdict> {
  if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
    const tensor = await firstNotFinite(be, weights, grads);
    const inARow = state.notFiniteInARow + 1;
    if (onNotFinite === "stop" || tensor?.kind === "weight" || inARow >= mostInARow)
      throw notFiniteError(state.step, describeNotFinite(loss, norm, tensor), tensor, inARow);
    state.notFiniteInARow = inARow;
    state.skipped.nan++;
    return { skipped: "nan", notFinite: tensor };
  }
  state.notFiniteInARow = 0;
  const scores = { lossZ: zScore(state.losses, loss), normZ: zScore(state.norms, norm) };
  const skipped = isAbove(scores.lossZ, skipLossZ) ? "loss" : isAbove(scores.normZ, skipNormZ) ? "norm" : undefined;
  if (skipped) state.skipped[skipped]++;
  return { skipped, ...scores };
}

function isAbove(score: number | undefined, limit: number): boolean {
  return limit > 0 && score !== undefined && score > limit;
}
