import { Mt19937 } from "../random/mt19937.ts";

/** In which order a loader goes through its data. */
export type DataOrder = "file" | "shuffle" | "random";

/** A run of neighbouring tokens in one of the files. */
export interface Window {
  readonly file: number;
  readonly start: number;
  readonly length: number;
}

/** Says which tokens make up each batch: one window of B*T + 1 tokens, or B of T + 1. */
export interface BatchOrder {
  next(): Window[];
  reset(): void;
}

export interface BatchSizes {
  readonly B: number;
  readonly T: number;
}

/** The batches of B*T + 1 tokens in a file: each starts B*T tokens after the one before it. */
export function samplesIn(count: number, { B, T }: BatchSizes): number {
  return Math.floor((count - 1) / (B * T));
}

export function makeOrder(order: DataOrder, counts: readonly number[], sizes: BatchSizes, seed: number): BatchOrder {
  if (order === "random") return new RandomOrder(counts, sizes, seed);
  return new SampleOrder(counts, sizes, order === "shuffle" ? new Mt19937(seed) : undefined);
}

/**
 * llm.c's order (llmc/dataloader.h): file by file, sample by sample, and from the start again when all are done; where
 * there is a generator, the files are shuffled at every epoch and the samples whenever their file's turn comes.
 */
class SampleOrder implements BatchOrder {
  readonly #samples: readonly number[];
  readonly #batch: number;
  readonly #random: Mt19937 | undefined;
  readonly #files: Int32Array;
  #turn = 0;
  #sample = 0;
  #shuffled = new Int32Array();

  constructor(counts: readonly number[], sizes: BatchSizes, random: Mt19937 | undefined) {
    this.#samples = counts.map((count) => samplesIn(count, sizes));
    this.#batch = sizes.B * sizes.T;
    this.#random = random;
    this.#files = Int32Array.from(counts, (_, file) => file);
    this.reset();
  }

  /** A new epoch. The generator goes on: the next order is another one. */
  reset(): void {
    this.#random?.shuffle(this.#files);
    this.#open(0);
  }

  next(): Window[] {
    if (this.#sample === this.#samples[this.#files[this.#turn]]) {
      if (this.#turn === this.#files.length - 1) this.reset();
      else this.#open(this.#turn + 1);
    }
    const sample = this.#random ? this.#shuffled[this.#sample] : this.#sample;
    this.#sample++;
    return [{ file: this.#files[this.#turn], start: sample * this.#batch, length: this.#batch + 1 }];
  }

  #open(turn: number): void {
    this.#turn = turn;
    this.#sample = 0;
    if (!this.#random) return;
    this.#shuffled = Int32Array.from({ length: this.#samples[this.#files[turn]] }, (_, i) => i);
    this.#random.shuffle(this.#shuffled);
  }
}

/**
 * nanoGPT's order: every row of a batch starts at a random token, as torch.randint draws it. Over several files, every
 * start that leaves T + 1 tokens in its file is equally likely.
 */
class RandomOrder implements BatchOrder {
  readonly #starts: readonly number[];
  readonly #total: number;
  readonly #sizes: BatchSizes;
  readonly #seed: number;
  #random: Mt19937;

  constructor(counts: readonly number[], sizes: BatchSizes, seed: number) {
    this.#starts = counts.map((count) => count - sizes.T);
    this.#total = this.#starts.reduce((sum, starts) => sum + starts, 0);
    this.#sizes = sizes;
    this.#seed = seed;
    this.#random = new Mt19937(seed);
  }

  /** Back to the seed: the same batches again. */
  reset(): void {
    this.#random = new Mt19937(this.#seed);
  }

  next(): Window[] {
    const { B, T } = this.#sizes;
    return Array.from({ length: B }, () => {
      let start = this.#random.randint32() % this.#total;
      let file = 0;
      while (start >= this.#starts[file]) start -= this.#starts[file++];
      return { file, start, length: T + 1 };
    });
  }
}
