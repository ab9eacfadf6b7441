import { InputError } from "../errors.ts";
import type { TrainEvent } from "../train/events.ts";
import type { Trainer } from "../train/trainer.ts";
import type { Retention } from "./checkpoint-list.ts";
import type { RunFolder } from "./run-folder.ts";

/** Saves a run to its folder, and lets it continue while that fails: a full disk may have space again tomorrow. */
export class RunSaver {
  readonly #folder: RunFolder;
  readonly #trainer: Trainer;
  readonly #retention: Retention;
  readonly #remark: (text: string) => void;
  #tried = false;
  #unsaved: string | undefined;
  #unlogged: string | undefined;

  constructor(folder: RunFolder, trainer: Trainer, { keep, keepEvery }: Retention, remark: (text: string) => void) {
    this.#folder = folder;
    this.#trainer = trainer;
    this.#retention = { keep, keepEvery };
    this.#remark = remark;
  }

  /** True once a checkpoint was written, or could not be. */
  get hasTried(): boolean {
    return this.#tried;
  }

  /** Reason for which the newest checkpoint, or lines of the log, are not on disk; undefined when they are. */
  get problem(): string | undefined {
    return this.#unsaved ?? this.#unlogged;
  }

  /** Saves a checkpoint and gives the model's path; undefined, after a remark, when that failed. */
  async save(): Promise<string | undefined> {
    this.#tried = true;
    try {
      const path = await this.#folder.checkpoint(this.#trainer, this.#retention);
      this.#unsaved = undefined;
      return path;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#unsaved = error.message;
      this.#remark(
        `step ${this.#trainer.step} could not be saved: ${error.message} The run continues; earlier checkpoints ` +
          "are intact",
      );
      return undefined;
    }
  }

  /** Writes an event down; what cannot be written is kept for the next time. One call of this or `flush` after the other. */
  record(event: TrainEvent): Promise<void> {
    return this.#logging(() => this.#folder.record(event));
  }

  /** Writes pending lines, before the log is read. */
  flush(): Promise<void> {
    return this.#logging(() => this.#folder.flush());
  }

  async #logging(write: () => Promise<void>): Promise<void> {
    try {
      await write();
      this.#unlogged = undefined;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      if (this.#unlogged === undefined) this.#remark(`the log cannot be written: ${error.message} The run continues`);
      this.#unlogged = error.message;
    }
  }
}
