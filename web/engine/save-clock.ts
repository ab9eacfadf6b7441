/**
 * How much of training's time a crash, a reload or a closed tab costs at most: a checkpoint is due so often, and the first
 * one sooner. A page that goes away has no time to write one (docs/reliability.md).
 */
const SAVE_EVERY_MS = 10_000;
const FIRST_MS = 1_000;
/** But saving takes no more than this share of the time: checkpoints of large models take long, and are made less often. */
const SAVE_SHARE = 0.05;
/** Before the first one, everything would be lost. */
const FIRST_SHARE = 0.2;

/** Bytes of a checkpoint a millisecond, before one was written: what two cores reached. */
const BYTES_PER_MS = 33_000;

/** Says when the next checkpoint is due, by the time of the steps since the last one. */
export class SaveClock {
  #ms = 0;
  #msOfSaving: number;
  #isDue = false;
  #isFirst = true;

  /** `bytes`: of a checkpoint. */
  constructor(bytes: number) {
    this.#msOfSaving = bytes / BYTES_PER_MS;
  }

  add(ms: number): void {
    this.#ms += ms;
  }

  /** Whatever the time: at the next step. */
  makeDue(): void {
    this.#isDue = true;
  }

  get isDue(): boolean {
    const [every, share] = this.#isFirst ? [FIRST_MS, FIRST_SHARE] : [SAVE_EVERY_MS, SAVE_SHARE];
    return this.#isDue || this.#ms >= Math.max(every, this.#msOfSaving * (1 / share - 1));
  }

  /** A checkpoint was written, or could not be; it took so long. */
  saved(ms: number): void {
    this.#ms = 0;
    this.#msOfSaving = ms;
    this.#isDue = false;
    this.#isFirst = false;
  }
}
