import { Extremes } from "../../src/plot/extremes.ts";
import { decayFor, smoothInto } from "../../src/plot/points.ts";
import type { Trace } from "./traces.ts";

/** Ratio by which a window that grows with the run may lag before the smoothed values are recomputed. */
const maxLag = 1.1;

/** One quantity of a run, raw and smoothed. Appended values cost their own number. */
export class Curve {
  #values: Float32Array;
  readonly #extremes = new Extremes();
  #smoothed = new Float32Array();
  readonly #smoothedExtremes = new Extremes();
  /** Decay and window of the smoothed values, which are valid up to `#smoothedEnd`. */
  #decay = Number.NaN;
  #window: number | undefined;
  #smoothedEnd = 0;

  constructor(values: Float32Array) {
    this.#values = values;
    this.#extremes.update(values);
  }

  /** Replaces the values, of which the first `kept` are unchanged. */
  update(values: Float32Array, kept: number): void {
    this.#values = values;
    this.#extremes.update(values, kept);
    this.#smoothedEnd = Math.min(this.#smoothedEnd, kept);
  }

  get raw(): Trace {
    return { values: this.#values, extremes: this.#extremes };
  }

  /** Exponential moving average over `window` values; undefined: over a fiftieth of all. */
  smoothed(window: number | undefined): Trace {
    const { length } = this.#values;
    const decay = window === undefined ? decayFor(this.#values) : 1 - 1 / window;
    if (window !== this.#window || this.#isStale(decay, window)) {
      this.#decay = decay;
      this.#smoothedEnd = 0;
    }
    this.#window = window;
    if (this.#smoothed.length < length) {
      const longer = new Float32Array(2 * length);
      longer.set(this.#smoothed);
      this.#smoothed = longer;
    }
    const values = this.#smoothed.subarray(0, length);
    if (this.#smoothedEnd < length) {
      const from = smoothInto(values, this.#values, this.#decay, this.#smoothedEnd);
      this.#smoothedExtremes.update(values, from);
      this.#smoothedEnd = length;
    }
    return { values, extremes: this.#smoothedExtremes };
  }

  /** True if the smoothed values must be recomputed; an automatic window may lag behind a little. */
  #isStale(decay: number, window: number | undefined): boolean {
    if (Number.isNaN(this.#decay)) return true;
    const [is, was] = [1 / (1 - decay), 1 / (1 - this.#decay)];
    return window === undefined ? is > maxLag * was || was > maxLag * is : is !== was;
  }
}
