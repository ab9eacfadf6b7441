import { Extremes } from "../../src/plot/extremes.ts";
import { decayFor, smoothInto } from "../../src/plot/points.ts";
import type { Trace } from "./traces.ts";

/** How much a smoothing that goes with a run's length may be behind it before all is computed anew. */
const behind = 1.1;

/** One quantity of a run: its values as they are and smoothed, ready to be drawn while more of them come. */
export class Curve {
  #values: Float32Array;
  readonly #extremes = new Extremes();
  #smoothed = new Float32Array();
  readonly #smoothedExtremes = new Extremes();
  /** With which the smoothed values up to `#smoothedEnd` were made; undefined: by which count of values. */
  #memory = Number.NaN;
  #wanted: number | undefined;
  #smoothedEnd = 0;

  constructor(values: Float32Array) {
    this.#values = values;
    this.#extremes.update(values);
  }

  /** Takes the values as they are now; the first `kept` are as they were. */
  update(values: Float32Array, kept: number): void {
    this.#values = values;
    this.#extremes.update(values, kept);
    this.#smoothedEnd = Math.min(this.#smoothedEnd, kept);
  }

  get raw(): Trace {
    return { values: this.#values, extremes: this.#extremes };
  }

  /** `window`: over how many values to average; undefined: over a fiftieth of them. */
  smoothed(window: number | undefined): Trace {
    const { length } = this.#values;
    const memory = window === undefined ? decayFor(this.#values) : 1 - 1 / window;
    if (window !== this.#wanted || this.#isFar(memory, window)) {
      this.#memory = memory;
      this.#smoothedEnd = 0;
    }
    this.#wanted = window;
    if (this.#smoothed.length < length) {
      const longer = new Float32Array(2 * length);
      longer.set(this.#smoothed);
      this.#smoothed = longer;
    }
    const values = this.#smoothed.subarray(0, length);
    if (this.#smoothedEnd < length) {
      const from = smoothInto(values, this.#values, this.#memory, this.#smoothedEnd);
      this.#smoothedExtremes.update(values, from);
      this.#smoothedEnd = length;
    }
    return { values, extremes: this.#smoothedExtremes };
  }

  /** Whether the smoothing is another; one that goes with the length may be a little short. */
  #isFar(memory: number, window: number | undefined): boolean {
    if (Number.isNaN(this.#memory)) return true;
    const [is, was] = [1 / (1 - memory), 1 / (1 - this.#memory)];
    return window === undefined ? is > behind * was || was > behind * is : is !== was;
  }
}
