/** Entries of a level that make one of the next. */
const fan = 8;

/** Indices of the minimum and the maximum of each block of values; -1 where the block has none. */
interface Level {
  low: Int32Array;
  high: Int32Array;
}

/**
 * Finds the minimum and the maximum of any range of many values without reading all of them, so that a long curve can
 * be drawn in the time that its pixels take. NaN stands for values that are not there.
 */
export class Extremes {
  #values: ArrayLike<number> = [];
  /** Entry i of level k is about the values from i * fan^(k+1) on, as many as that. */
  readonly #levels: Level[] = [];
  #low = -1;
  #high = -1;

  /** Replaces the values; those before `changed` must be unchanged. */
  update(values: ArrayLike<number>, changed = 0): void {
    this.#values = values;
    let size = fan;
    for (let k = 0; size <= values.length; k++, size *= fan) {
      const blocks = Math.floor(values.length / size);
      this.#levels[k] = grown(this.#levels[k], blocks);
      const { low, high } = this.#levels[k];
      for (let block = Math.floor(changed / size); block < blocks; block++) {
        this.#scan(block * size, (block + 1) * size, k);
        low[block] = this.#low;
        high[block] = this.#high;
      }
    }
  }

  /** The indices of the lowest and the highest value from `start` up to `end`; undefined where there is none. */
  find(start: number, end: number): readonly [low: number, high: number] | undefined {
    this.#scan(start, end, this.#levels.length);
    return this.#low < 0 ? undefined : [this.#low, this.#high];
  }

  /** Sets `#low` and `#high`, by the largest blocks of the first `levels` levels that lie between `start` and `end`. */
  #scan(start: number, end: number, levels: number): void {
    this.#low = this.#high = -1;
    for (let at = start; at < end; ) {
      let [level, size] = [0, 1];
      while (level < levels && at % (size * fan) === 0 && at + size * fan <= end) {
        size *= fan;
        level++;
      }
      if (level === 0) this.#take(at, at);
      else this.#take(this.#levels[level - 1].low[at / size], this.#levels[level - 1].high[at / size]);
      at += size;
    }
  }

  #take(low: number, high: number): void {
    const values = this.#values;
    if (low < 0 || Number.isNaN(values[low])) return;
    if (this.#low < 0 || values[low] < values[this.#low]) this.#low = low;
    if (this.#high < 0 || values[high] > values[this.#high]) this.#high = high;
  }
}

function grown(level: Level | undefined, blocks: number): Level {
  if (level && level.low.length >= blocks) return level;
  const longer = { low: new Int32Array(2 * blocks), high: new Int32Array(2 * blocks) };
  if (level) longer.low.set(level.low);
  if (level) longer.high.set(level.high);
  return longer;
}
