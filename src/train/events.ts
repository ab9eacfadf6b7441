import type { NotFiniteTensor } from "../errors.ts";
import { describeNotFinite } from "../model/not-finite.ts";

/**
 * Events of `Trainer.run`, in order. `step` counts updates: a `step` event is update number `step`, from 0; `val`,
 * `sample` and `checkpoint` show the model after `step` updates. Losses are in nats a token.
 */
export type TrainEvent = StepEvent | ValEvent | SampleEvent | CheckpointEvent | DoneEvent;

/** An update was made, or skipped. */
export interface StepEvent {
  readonly type: "step";
  readonly step: number;
  /** Mean loss over the step's batches, of the tokens that count, before the update. */
  readonly loss: number;
  /** The learning rate that the update used. */
  readonly learningRate: number;
  /** The norm of all gradients together, before clipping. */
  readonly norm: number;
  /** Milliseconds for batches, forward, backward and update. */
  readonly ms: number;
  /** All tokens of the step's batches. */
  readonly tokensPerSecond: number;
  /**
   * Reason for which weights and moments were left alone: an outlier of loss or norm, a value that is not finite, or no token
   * that counts for the loss, which is NaN then.
   */
  readonly skipped?: "loss" | "norm" | "nan" | "masked";
  /** Standard deviations of loss and norm above the mean of the last 128; absent in the first 128 steps. */
  readonly lossZ?: number;
  readonly normZ?: number;
  /** The first tensor that is not finite, where there is one. */
  readonly notFinite?: NotFiniteTensor;
}

/** The loss on validation data. */
export interface ValEvent {
  readonly type: "val";
  readonly step: number;
  /** Mean over the validation batches. */
  readonly loss: number;
  /** The loss in bits, per byte of the targets' text. Undefined without a tokenizer. */
  readonly bitsPerByte?: number;
}

/** A text that the model wrote. */
export interface SampleEvent {
  readonly type: "sample";
  readonly step: number;
  /** All tokens, the prompt or the end-of-text token that started them included. */
  readonly tokens: number[];
  /** The generated tokens decoded, without the prompt; empty when the model has no tokenizer. */
  readonly text: string;
}

/** The model was saved. */
export interface CheckpointEvent {
  readonly type: "checkpoint";
  readonly step: number;
  readonly path: string;
}

/** The run is over: always the last event, unless the run threw. */
export interface DoneEvent {
  readonly type: "done";
  /** Updates made by this trainer, those of earlier runs included. */
  readonly step: number;
  /** Updates this trainer would have made without interruption. */
  readonly steps: number;
  /** The last training loss and the last validation loss, where there is one. */
  readonly loss?: number;
  readonly valLoss?: number;
  /** Of the last validation. Undefined without a tokenizer. */
  readonly bitsPerByte?: number;
  /** The best validation loss of all the trainer's runs, and after how many updates it came. */
  readonly bestValLoss?: number;
  readonly bestStep?: number;
  /** Updates that were skipped, of those made. */
  readonly skipped: number;
  /** Milliseconds of all the trainer's runs, those before a resume included: as `step` counts their updates. */
  readonly ms: number;
  /** True if the run's AbortSignal ended it early: before its last update, or before a validation or sample that was due. */
  readonly interrupted: boolean;
  /** `early`: the validation loss got no better, see `earlyStop`. */
  readonly stopped?: "early";
}

/** Remark on an unusual event, for people; undefined for an ordinary one. For outliers in llm.c's words. */
export function noteOf(event: TrainEvent): string | undefined {
  if (event.type === "step") return skipNote(event);
  if (event.type !== "done" || event.stopped === undefined) return undefined;
  return `stopped early: no validation was better than that after ${event.bestStep} updates, ${event.bestValLoss?.toFixed(6)}`;
}

function skipNote({ step, skipped, loss, norm, lossZ = 0, normZ = 0, notFinite }: StepEvent): string | undefined {
  if (skipped === "loss") return `skipping update due to loss z-score of ${lossZ.toFixed(6)}`;
  if (skipped === "norm") return `skipping update due to grad z-score of ${normZ.toFixed(6)}`;
  if (skipped === "nan") return `skipping update ${step}: the ${describeNotFinite(loss, norm, notFinite)}`;
  if (skipped === "masked") return `skipping update ${step}: the loss mask leaves no token of its batches to learn`;
  return undefined;
}

/** Fields of an event under another name in its line: since version 0.1, which readers of metrics.jsonl rely on. */
const inLines: Readonly<Record<string, string>> = { type: "event", learningRate: "lr" };

/** An event as one line of JSON: what `--json` prints and metrics.jsonl holds. */
export function toJsonLine(event: TrainEvent): string {
  const fields = Object.entries(event).map(([name, value]) => [inLines[name] ?? name, value]);
  return `${JSON.stringify(Object.fromEntries(fields))}\n`;
}

/** An event as llm.c's main.log has it; undefined for those that llm.c does not log. */
export function toLogLine(event: TrainEvent): string | undefined {
  if (event.type === "val") return `s:${event.step} tel:${event.loss.toFixed(4)}\n`;
  if (event.type !== "step") return undefined;
  const { step, loss, learningRate, norm } = event;
  return `s:${step} trl:${loss.toFixed(4)} lr:${learningRate.toFixed(6)} norm:${norm.toFixed(2)}\n`;
}
