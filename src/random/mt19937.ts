const N = 624;
const M = 397;

/** State of a generator, in the fields of llm.c's `mt19937_state`: numbers left before the next refill, and the next index. */
export interface Mt19937State {
  readonly left: number;
  readonly next: number;
  /** 624 whole numbers of 32 bits. */
  readonly state: readonly number[];
}

/**
 * The Mersenne Twister as PyTorch's CPU generator and llm.c's `mt19937_state` have it: the same seed gives the same
 * numbers. Matsumoto and Nishimura, 1998.
 */
export class Mt19937 {
  private readonly state = new Uint32Array(N);
  private left = 1;
  private index = 0;
  /** The sine half of the last Box-Muller pair, kept for the next `normal` as torch's generator keeps it. */
  private spareNormal: number | undefined;

  constructor(seed: number) {
    const { state } = this;
    state[0] = seed;
    for (let i = 1; i < N; i++) {
      const previous = state[i - 1] ^ (state[i - 1] >>> 30);
      state[i] = Math.imul(1812433253, previous) + i;
    }
  }

  /** Restores a generator from its `position`. RangeError for an impossible state. */
  static at({ left, next, state }: Mt19937State): Mt19937 {
    const isWord = (value: number) => Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
    const isStart = left === 1 && next === 0;
    if (!(isStart || (next >= 1 && next <= N && left === N + 1 - next)) || state.length !== N || !state.every(isWord))
      throw new RangeError("this is not a state of a Mersenne Twister");
    const random = new Mt19937(0);
    random.state.set(state);
    random.left = left;
    random.index = next;
    return random;
  }

  /** State of the generator, without a spare number of `normal`. */
  position(): Mt19937State {
    return { left: this.left, next: this.index, state: [...this.state] };
  }

  /** A whole number from 0 to 2^32 - 1. */
  randint32(): number {
    if (--this.left === 0) this.refill();
    let y = this.state[this.index++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  /** torch's uniform float: 24 random bits, in [0, 1). */
  randfloat32(): number {
    return (this.randint32() & 0xffffff) / 0x1000000;
  }

  /** torch's uniform double: 53 random bits of a 64-bit number whose upper half is drawn first, in [0, 1). */
  randfloat64(): number {
    const high = this.randint32() & 0x1fffff;
    return (high * 0x100000000 + this.randint32()) / 0x20000000000000;
  }

  /** One standard normal number in double precision: torch's way for tensors of fewer than 16 values. */
  normal(): number {
    if (this.spareNormal !== undefined) {
      const value = this.spareNormal;
      this.spareNormal = undefined;
      return value;
    }
    const angle = 2 * Math.PI * this.randfloat64();
    const radius = Math.sqrt(-2 * Math.log1p(-this.randfloat64()));
    this.spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Shuffles in place as llm.c's `random_permutation` does: Fisher-Yates from the end, randint32 modulo. */
  shuffle(values: number[] | Int32Array): void {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.randint32() % (i + 1);
      [values[i], values[j]] = [values[j], values[i]];
    }
  }

  private refill(): void {
    const { state } = this;
    const mix = (i: number, next: number, far: number) => {
      const y = (state[i] & 0x80000000) | (state[next] & 0x7fffffff);
      state[i] = state[far] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    };
    for (let i = 0; i < N - M; i++) mix(i, i + 1, i + M);
    for (let i = N - M; i < N - 1; i++) mix(i, i + 1, i + M - N);
    mix(N - 1, 0, M - 1);
    this.left = N;
    this.index = 0;
  }
}
