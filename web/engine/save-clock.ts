/**
 * Milliseconds of training between checkpoints, and before the first one: the most that a crash, a reload or a closed tab
 * costs. A page that is closed has no time to write one (docs/reliability.md).
 */
const SAVE_EVERY_MS = 10_000;
const FIRST_MS = 1_000;
/** Largest share of the time spent on saving: large checkpoints are written less often. */
const SAVE_SHARE = 0.05;
/** The same for the first one, before which a crash loses everything. */
const FIRST_SHARE = 0.2;

/** Bytes written per millisecond, assumed until a checkpoint was measured: what two cores reached. */
const BYTES_PER_MS = 33_000;

/** Decides when the next checkpoint is due, from the duration of the steps since the last one. */
export class SaveClock {
  #ms = 0;
  #msOfSaving: number;
  #isDue = false;
  #isFirst = true;

  /** `bytes`: size of a checkpoint. */
  constructor(bytes: number) {
    this.#msOfSaving = bytes / BYTES_PER_MS;
  }

  add(ms: number): void {
    this.#ms += ms;
  }

  /** Makes a checkpoint due at the next step. */
  makeDue(): void {
    this.#isDue = true;
  }

  get isDue(): boolean {
    const [every, share] = this.#isFirst ? [FIRST_MS, FIRST_SHARE] : [SAVE_EVERY_MS, SAVE_SHARE];
    return this.#isDue || this.#ms >= Math.max(every, this.#msOfSaving * (1 / share - 1));
  }

  /** Call after each attempt to write a checkpoint, with its duration. */
  saved(ms: number): void {
    this.#ms = 0;
    this.#msOfSaving = ms;
    this.#isDue = false;
    this.#isFirst = false;
  }
}
