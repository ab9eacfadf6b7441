/** How fast a run gets on, with all that it does between its updates: from marks of the last while. */
export class Pace {
  readonly #marks: { readonly time: number; readonly step: number }[] = [];
  readonly #span: number;

  /** `span`: milliseconds that are looked back. */
  constructor(span = 20_000) {
    this.#span = span;
  }

  /** So many updates were made by this time, in milliseconds. */
  mark(time: number, step: number): void {
    // A run that goes back to its checkpoint begins anew to be measured.
    if (step < (this.#marks.at(-1)?.step ?? 0)) this.forget();
    this.#marks.push({ time, step });
    while (this.#marks.length > 2 && time - this.#marks[1].time >= this.#span) this.#marks.shift();
  }

  /** After a pause: the time that it took does not count. */
  forget(): void {
    this.#marks.length = 0;
  }

  /** Milliseconds that the updates up to `steps` will take; undefined as long as nobody knows. */
  left(steps: number): number | undefined {
    const [first] = this.#marks;
    const last = this.#marks.at(-1);
    if (!first || !last || last.step === first.step) return undefined;
    return ((last.time - first.time) / (last.step - first.step)) * Math.max(0, steps - last.step);
  }
}
