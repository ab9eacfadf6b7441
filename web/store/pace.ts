/** Remaining time of a run, from the recent rate of updates, with all that happens between them. */
export class Pace {
  readonly #marks: { readonly time: number; readonly step: number }[] = [];
  readonly #span: number;

  /** `span`: milliseconds over which the rate is measured. */
  constructor(span = 20_000) {
    this.#span = span;
  }

  /** Records that `step` updates were made at `time`, in milliseconds. */
  mark(time: number, step: number): void {
    // A run that went back to its checkpoint is measured from there.
    if (step < (this.#marks.at(-1)?.step ?? 0)) this.reset();
    this.#marks.push({ time, step });
    while (this.#marks.length > 2 && time - this.#marks[1].time >= this.#span) this.#marks.shift();
  }

  /** Restarts the measurement, after a pause for instance. */
  reset(): void {
    this.#marks.length = 0;
  }

  /** Milliseconds until `steps` updates are made; undefined before two marks with different steps. */
  msLeft(steps: number): number | undefined {
    const [first] = this.#marks;
    const last = this.#marks.at(-1);
    if (!first || !last || last.step === first.step) return undefined;
    return ((last.time - first.time) / (last.step - first.step)) * Math.max(0, steps - last.step);
  }
}
