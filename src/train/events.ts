/**
 * What `Trainer.run` reports, in order. `step` counts updates: a `step` event is update number `step`, from 0; `val`,
 * `sample` and `checkpoint` show the model after `step` updates. Losses are in nats a token.
 */
export type TrainEvent = StepEvent | ValEvent | SampleEvent | CheckpointEvent | DoneEvent;

/** An update was made. */
export interface StepEvent {
  readonly type: "step";
  readonly step: number;
  /** Mean loss over the batch, before the update. */
  readonly loss: number;
  /** The learning rate that the update used. */
  readonly lr: number;
  /** The norm of all gradients together, before clipping. */
  readonly norm: number;
  /** Milliseconds for batch, forward, backward and update. */
  readonly ms: number;
  readonly tokensPerSecond: number;
}

/** The loss on validation data. */
export interface ValEvent {
  readonly type: "val";
  readonly step: number;
  /** Mean over the validation batches. */
  readonly loss: number;
}

/** A text that the model wrote. */
export interface SampleEvent {
  readonly type: "sample";
  readonly step: number;
  /** All tokens, the prompt or the end-of-text token that started them included. */
  readonly tokens: number[];
  /** What the model wrote, decoded, without what started it; empty when the model has no tokenizer. */
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
  /** Milliseconds since the run began. */
  readonly ms: number;
  /** Whether the run's AbortSignal ended it early. */
  readonly interrupted: boolean;
}

/** An event as one line of JSON, with `event` for its type: what `--json` prints and metrics.jsonl holds. */
export function toJsonLine({ type, ...fields }: TrainEvent): string {
  return `${JSON.stringify({ event: type, ...fields })}\n`;
}

/** An event as llm.c's main.log has it; undefined for those that llm.c does not log. */
export function toLogLine(event: TrainEvent): string | undefined {
  if (event.type === "val") return `s:${event.step} tel:${event.loss.toFixed(4)}\n`;
  if (event.type !== "step") return undefined;
  const { step, loss, lr, norm } = event;
  return `s:${step} trl:${loss.toFixed(4)} lr:${lr.toFixed(6)} norm:${norm.toFixed(2)}\n`;
}
