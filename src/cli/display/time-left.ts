import { MovingAverage } from "../../plot/points.ts";
import type { TrainEvent } from "../../train/events.ts";

/** Planned updates of a run, and the intervals of its other work in updates; 0: never. */
export interface Cadence {
  readonly steps: number;
  readonly valEvery: number;
  readonly sampleEvery: number;
  readonly checkpointEvery: number;
  /** Duration of the last validation relative to the others. */
  readonly finalValFactor: number;
  /** Milliseconds that are left of a time budget. */
  readonly budget?: number;
}

/** A wait this many times as long as usual counts as one of this length: the machine slept, or was stopped. */
const longest = 4;
/** Of so many, the usual time is known. */
const enough = 3;

/** Recent duration of one kind of work, in milliseconds. */
class Pace {
  readonly #mean: MovingAverage;
  #count = 0;

  constructor(decay: number) {
    this.#mean = new MovingAverage(decay);
  }

  get ms(): number {
    return this.#mean.value ?? 0;
  }

  add(ms: number): void {
    this.#mean.add(this.#count >= enough ? Math.min(ms, longest * this.ms) : ms);
    this.#count++;
  }
}

/** Time left of a run: its updates, and the validations, samples and checkpoints between them. */
export class TimeLeft {
  readonly #cadence: Cadence;
  readonly #paces = { step: new Pace(0.97), val: new Pace(0.7), sample: new Pace(0.7), checkpoint: new Pace(0.7) };
  /** Updates made at the last of each kind. */
  readonly #lastAt = { val: -1, sample: -1, checkpoint: -1 };
  #step = 0;
  #knows = false;
  /** Milliseconds since the start. */
  #elapsed = 0;

  constructor(cadence: Cadence) {
    this.#cadence = cadence;
  }

  /** An event, and the milliseconds since the one before. */
  add({ type, step }: TrainEvent, ms: number): void {
    this.#elapsed += ms;
    if (type === "done") return;
    this.#paces[type].add(ms);
    if (type === "step") {
      this.#step = step + 1;
      this.#knows = true;
    } else {
      this.#step = step;
      this.#lastAt[type] = step;
    }
  }

  /** Milliseconds, when the last event was `since` milliseconds ago; undefined before the first update, without a budget. */
  left(since: number): number | undefined {
    const { budget } = this.#cadence;
    const byUpdates = this.#byUpdates(since);
    if (budget === undefined) return byUpdates;
    return Math.min(byUpdates ?? budget, Math.max(0, budget - this.#elapsed - since));
  }

  #byUpdates(since: number): number | undefined {
    if (!this.#knows) return undefined;
    const { steps, valEvery, sampleEvery, checkpointEvery, finalValFactor } = this.#cadence;
    const { step, val, sample, checkpoint } = this.#paces;
    const lastVal = valEvery > 0 && this.#lastAt.val < steps ? finalValFactor : 0;
    const ms =
      (steps - this.#step) * step.ms +
      (this.#times(valEvery, "val", steps - 1) + lastVal) * val.ms +
      this.#times(sampleEvery, "sample", steps) * sample.ms +
      this.#times(checkpointEvery, "checkpoint", steps) * checkpoint.ms;
    return Math.max(0, ms - Math.min(since, step.ms));
  }

  /** Number of multiples of `every` from the current step to `last`. */
  #times(every: number, kind: "val" | "sample" | "checkpoint", last: number): number {
    if (every === 0) return 0;
    const from = Math.max(this.#step, this.#lastAt[kind] + 1, 1);
    return Math.max(0, Math.floor(last / every) - Math.ceil(from / every) + 1);
  }
}
