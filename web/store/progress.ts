/** Progress of a run in bounded memory: curves for the chart, newest figures, samples. */

import type { Point } from "../../src/plot/points.ts";
import { BoundedPoints, decayFor, smooth } from "../../src/plot/points.ts";
import type { StepEvent, TrainEvent } from "../../src/train/events.ts";

/** A text that the model wrote after `step` updates. */
export interface Sample {
  readonly step: number;
  readonly text: string;
  /** The smoothed loss at that time. */
  readonly loss?: number;
}

/** The chart's curves, with an entry for each of `x`; null: no value at that update. */
export interface Curves {
  readonly x: Float64Array;
  readonly train: readonly (number | null)[];
  readonly smoothed: readonly (number | null)[];
  readonly val: readonly (number | null)[];
}

/** About as many points as a chart has pixels. */
const maxPoints = 1600;
const maxVals = 600;
const maxSamples = 200;

export class Progress {
  readonly #train = new BoundedPoints(maxPoints);
  readonly #val = new BoundedPoints(maxVals);
  /** Newest first. */
  #samples: Sample[] = [];
  /** The last update. */
  last: StepEvent | undefined;
  /** Updates made so far. */
  step = 0;
  /** Updates in the newest checkpoint. */
  savedStep: number | undefined;
  valLoss: number | undefined;
  bestValLoss: number | undefined;
  bestStep: number | undefined;

  add(event: TrainEvent): void {
    if (event.type === "step") {
      this.last = event;
      this.step = event.step + 1;
      if (Number.isFinite(event.loss)) this.#train.add({ step: event.step, value: event.loss });
    } else if (event.type === "val") {
      this.addVal(event.step, event.loss);
    } else if (event.type === "sample") {
      this.addSample(event.step, event.text);
    } else if (event.type === "checkpoint") {
      this.savedStep = event.step;
    }
  }

  addVal(step: number, loss: number): void {
    if (!Number.isFinite(loss)) return;
    this.valLoss = loss;
    // A resumed run may repeat the validation of its checkpoint's step.
    this.#val.goBackTo(step);
    this.#val.add({ step, value: loss });
    if (this.bestValLoss !== undefined && loss >= this.bestValLoss) return;
    this.bestValLoss = loss;
    this.bestStep = step;
  }

  addSample(step: number, text: string): void {
    // A resumed run may repeat a sample.
    const others = this.#samples.filter((sample) => sample.step !== step);
    this.#samples = [{ step, text, loss: this.#lossNow() }, ...others].slice(0, maxSamples);
  }

  /** Drops everything after the checkpoint of `step` updates, from which the run is resumed. */
  rewindTo(step: number): void {
    if (this.step <= step) return;
    this.step = step;
    this.last = undefined;
    this.#samples = this.#samples.filter((sample) => sample.step <= step);
    this.#train.goBackTo(step);
    this.#val.goBackTo(step + 1);
    const vals = this.#val.points;
    const best = vals.reduce<Point | undefined>(
      (low, point) => (low && low.value <= point.value ? low : point),
      undefined,
    );
    this.valLoss = vals.at(-1)?.value;
    [this.bestValLoss, this.bestStep] = [best?.value, best?.step];
  }

  /** Newest first. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  get curves(): Curves {
    const train = this.#train.points;
    return merge(train, smooth(train, decayFor(train)), this.#val.points);
  }

  /** Mean loss of the last 20 points. */
  #lossNow(): number | undefined {
    const recent = this.#train.points.slice(-20);
    if (recent.length === 0) return undefined;
    return recent.reduce((sum, { value }) => sum + value, 0) / recent.length;
  }
}

/** Three lines over a common x, the union of their steps. `smoothed` has the steps of `train`. */
export function merge(train: readonly Point[], smoothed: readonly Point[], val: readonly Point[]): Curves {
  const steps = [...new Set([...train, ...val].map(({ step }) => step))].sort((a, b) => a - b);
  const values = (points: readonly Point[]) => {
    const byStep = new Map(points.map(({ step, value }) => [step, value]));
    return steps.map((step) => byStep.get(step) ?? null);
  };
  return { x: Float64Array.from(steps), train: values(train), smoothed: values(smoothed), val: values(val) };
}
