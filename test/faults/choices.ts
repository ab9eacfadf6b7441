import { Mt19937 } from "../../src/random/mt19937.ts";

/** Random choices by seed. */
export class Choices extends Mt19937 {
  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + (this.randint32() % (high - low + 1));
  }

  one<T>(values: readonly T[]): T {
    return values[this.between(0, values.length - 1)];
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.between(1, n) === 1;
  }

  /** A size of numbers: mostly about 1, else a power of ten from `low` to `high`. */
  magnitude(low = -30, high = 38): number {
    return this.oneIn(3) ? 10 ** this.between(low, high) : this.one([0.1, 1, 3]);
  }

  /** Numbers from -size to size. */
  numbers(count: number, size: number): Float32Array {
    return Float32Array.from({ length: count }, () => (this.randint32() / 2 ** 31 - 1) * size);
  }
}
