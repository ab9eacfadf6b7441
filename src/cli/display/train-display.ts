import type { GPT2Config } from "../../model/config.ts";
import type { MemoryParts } from "../../model/memory.ts";
import type { TrainEvent } from "../../train/events.ts";
import type { Cadence } from "./time-left.ts";

/** Facts of a run before its first update. */
export interface RunStart extends Cadence {
  readonly config: GPT2Config;
  readonly parameters: number;
  /** Numbers that the activations of one batch and their gradients hold. */
  readonly activations: number;
  readonly memory: MemoryParts;
  readonly trainBatches: number;
  readonly valBatches: number;
  readonly B: number;
  readonly T: number;
  /** Minutes of a time budget, where there is one. */
  readonly minutes?: number;
  /** Batches of B x T tokens in an update. */
  readonly accumulate: number;
  /** Model, data and device, for people. */
  readonly model: string;
  readonly data: string;
  readonly device: string;
  readonly folder?: string;
}

/** Shows a run: `train` has one for terminals, one for scripts made for llm.c, one for programs. */
export interface TrainDisplay {
  /** Something worth knowing that is no result. Handed on by itself, without the display. */
  readonly remark: (text: string) => void;
  /** Long work before the run: what it is, and the share that is done, 0 to 1. */
  progress(what: string, share: number): void;
  start(run: RunStart): void;
  event(event: TrainEvent): void;
  /** After the last event, with the commands to try next; also when the run failed. Safe to call twice. */
  end(next?: readonly string[]): void;
}
