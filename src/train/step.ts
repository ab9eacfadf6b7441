import type { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import type { Group } from "../group/group.ts";
import { accumulateGradients, gradientNorm, update } from "../model/gpt2.ts";
import { isMuons, muonDirections, updateByMuon } from "../model/muon.ts";
import { describeNotFinite, firstNotFinite, notFiniteError } from "../model/not-finite.ts";
import { computedWith, type Parameters, type TensorsOfTraining } from "../model/tensor-set.ts";
import type { StepWorkspace } from "../model/workspace.ts";
import type { StepEvent } from "./events.ts";
import type { TrainerOptions } from "./options.ts";
import { zScore } from "./outliers.ts";
import type { SharedMoments } from "./shared-moments.ts";
import type { TrainerState } from "./state.ts";

/** Operands of a step. */
export interface StepContext {
  readonly model: GPT2;
  /** The model's, with the adapters that are trained, if they are. */
  readonly parameters: Parameters;
  readonly tensors: TensorsOfTraining;
  /** Where each member of the group holds a part of the moments. */
  readonly shared?: SharedMoments;
  readonly options: Required<TrainerOptions>;
  readonly state: TrainerState;
  readonly group: Group;
}

/** Decision on a step's update: skipped for which reason, or made. */
export type Verdict = Pick<StepEvent, "skipped" | "lossZ" | "normZ" | "notFinite">;

export interface StepResult extends Verdict {
  /** Mean loss over the tokens of the step's batches that count, before the update. */
  readonly loss: number;
  /** Norm of all gradients together, before clipping. */
  readonly norm: number;
  /** True if the `signal` of any member was aborted before the update. */
  readonly mustStop: boolean;
}

/**
 * One training step on the batches in `ws`: accumulate, reduce over the group, norm, decide, update. When to validate,
 * sample and save is the trainer's concern.
 *
 * `counted`: the share of the batches' targets that a loss mask lets count, 1 without one. Those left out contribute zeros to the
 * means over all targets that the graph computes; divided by the group's share, loss and gradient are means over those that
 * count, wherever they lie: PyTorch's of one batch with ignore_index.
 *
 * `whileComputing` runs beside the device; `advance` counts the step in the trainer's state in the same turn in which the
 * update is enqueued, so that whoever saves at any moment finds weights, moments and state of one step.
 * NotFiniteError, with nothing changed, when the run must stop.
 */
export async function trainingStep<R>(
  { model, parameters, tensors, shared, options, state, group }: StepContext,
  ws: StepWorkspace,
  learningRate: number,
  counted: number,
  whileComputing: () => Promise<R>,
  advance: (loss: number) => void,
  signal?: AbortSignal,
): Promise<readonly [StepResult, R]> {
  const { backend } = model;
  const { gradClip, gradDtype } = options;
  const { grads } = tensors;
  accumulateGradients(backend, computedWith(parameters, tensors), grads, ws, 1 / group.size);
  await group.sumTensors(backend, grads.blocks, gradDtype);
  gradientNorm(backend, grads, ws.shared);
  // The one read of a step: all that decides on its update.
  const [[ownLoss, squaredNorm], other] = await Promise.all([backend.read(ws.shared.stats), whileComputing()]);
  const [meanLoss, stops, share] = await group.mean([ownLoss, Number(signal?.aborted ?? false), counted]);
  const loss = meanLoss / share;
  const norm = Math.sqrt(squaredNorm) / share;
  await model.weightsReleased();
  const verdict: Verdict =
    share === 0 ? { skipped: "masked" } : await judge(backend, parameters, grads, { loss, norm }, state, options);
  if (!verdict.skipped) {
    // As torch's clip_grad_norm_: its 1e-6 guards against a norm of 0.
    const gradScale = (gradClip > 0 ? Math.min(1, gradClip / (norm + 1e-6)) : 1) / share;
    const made = { ...options, learningRate, gradScale, step: state.step + 1 };
    if ("muon" in tensors) {
      const norms = await muonDirections(backend, parameters, tensors, gradScale);
      // Another reader may have begun meanwhile.
      await model.weightsReleased();
      updateByMuon(backend, parameters, tensors, norms, made);
      update(backend, parameters, tensors, { ...made, except: isMuons });
    } else update(backend, parameters, tensors, made);
  }
  advance(loss);
  if (shared && !verdict.skipped) await model.completeWeights(() => shared.gatherWeights());
  await backend.sync();
  return [{ loss, norm, mustStop: stops > 0, ...verdict }, other];
}

/** Steps in a row that may be skipped since something is not finite. */
const mostInARow = 10;

/**
 * Decides by a step's loss and norm whether its update is to be made, and keeps the count. NotFiniteError when the run
 * is to stop.
 */
async function judge(
  be: Backend,
  { weights, adapters }: Parameters,
  grads: TensorsOfTraining["grads"],
  { loss, norm }: { readonly loss: number; readonly norm: number },
  state: TrainerState,
  { skipLossZ, skipNormZ, onNotFinite }: Required<TrainerOptions>,
): Promise<Verdict> {
  if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
    const tensor = await firstNotFinite(be, adapters?.set ?? weights, grads);
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
