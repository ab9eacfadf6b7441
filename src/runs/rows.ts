/** Rows of a step and some numbers, in an array for each column; the arrays grow by doubling. */
export class Rows {
  #length: number;
  #step: Int32Array;
  #values: readonly Float32Array[];
  /** How many rows are as they were when this was last set. */
  kept = 0;

  /** Goes on from arrays of one length, which are its own from now on. */
  constructor(step: Int32Array, values: readonly Float32Array[]) {
    this.#length = step.length;
    this.#step = step;
    this.#values = values;
  }

  /**
   * Adds a row; what is undefined is NaN. A run that was resumed from a checkpoint makes the updates behind it again:
   * rows of this step and later ones go.
   */
  push(step: number, values: readonly (number | undefined)[]): void {
    while (this.#length > 0 && this.#step[this.#length - 1] >= step) this.#length--;
    this.kept = Math.min(this.kept, this.#length);
    if (this.#length === this.#step.length) this.#grow();
    this.#step[this.#length] = step;
    for (const [i, column] of this.#values.entries()) column[this.#length] = values[i] ?? Number.NaN;
    this.#length++;
  }

  #grow(): void {
    const capacity = Math.max(64, 2 * this.#length);
    const [step, values] = [this.#step, this.#values];
    this.#step = new Int32Array(capacity);
    this.#step.set(step);
    this.#values = values.map((column) => {
      const longer = new Float32Array(capacity);
      longer.set(column);
      return longer;
    });
  }

  get length(): number {
    return this.#length;
  }

  /** Views of the columns: they hold until the next `push`. */
  get step(): Int32Array {
    return this.#step.subarray(0, this.#length);
  }

  get values(): Float32Array[] {
    return this.#values.map((column) => column.subarray(0, this.#length));
  }
}
