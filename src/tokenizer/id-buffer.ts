/** Ids as they come, in memory that is kept: a long text would make much garbage otherwise. */
export class IdBuffer {
  #ids = new Int32Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  at(index: number): number {
    return this.#ids[index];
  }

  push(id: number): void {
    if (this.#length === this.#ids.length) {
      const larger = new Int32Array(2 * this.#length);
      larger.set(this.#ids);
      this.#ids = larger;
    }
    this.#ids[this.#length++] = id;
  }

  /** Several times as fast as Array.from. */
  toArray(): number[] {
    const ids: number[] = [];
    for (let i = 0; i < this.#length; i++) ids.push(this.#ids[i]);
    return ids;
  }

  /** The ids since the last call. They are good until the next push. */
  take(): Int32Array {
    const ids = this.#ids.subarray(0, this.#length);
    this.#length = 0;
    return ids;
  }
}
