const MULTIPLIER = 0x2545f4914f6cdd1dn;

/** llm.c's sampler: xorshift64* (https://en.wikipedia.org/wiki/Xorshift#xorshift*), its upper 32 bits. */
export class Xorshift64 {
  #state: bigint;

  constructor(seed: number | bigint) {
    // A xorshift state of zero stays zero for ever.
    this.#state = BigInt.asUintN(64, BigInt(seed)) || 1n;
  }

  /** State of the generator. As a seed, it continues this sequence. */
  get state(): bigint {
    return this.#state;
  }

  randint32(): number {
    let x = this.#state;
    x ^= x >> 12n;
    x = BigInt.asUintN(64, x ^ (x << 25n));
    x ^= x >> 27n;
    this.#state = x;
    return Number(BigInt.asUintN(64, x * MULTIPLIER) >> 32n);
  }

  /** 24 random bits, in [0, 1). */
  randfloat32(): number {
    return (this.randint32() >>> 8) / 0x1000000;
  }
}
