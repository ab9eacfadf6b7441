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
