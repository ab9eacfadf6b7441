import { InputError } from "../errors.ts";
import type { Rank } from "../group/group.ts";
import { Mt19937, type Mt19937State } from "../random/mt19937.ts";

/** Orders in which a loader goes through its data. */
export const dataOrders = ["file", "shuffle", "random"] as const;
export type DataOrder = (typeof dataOrders)[number];

/** A run of neighbouring tokens in one of the files. */
export interface Window {
  readonly file: number;
  readonly start: number;
  readonly length: number;
}

/** The next batch of llm.c's order in the file's own sequence: the turn's file, and the sample in it. */
interface FilePosition {
  readonly order: "file";
  readonly shard: number;
  readonly sample: number;
}

/** The same for llm.c's shuffled order, with all that its dataloader keeps in an optimizer state file. */
export interface ShufflePosition {
  readonly order: "shuffle";
  /** Index of the current one of `shards` and of the next one of `samples`: at most their lengths. */
  readonly shard: number;
  readonly sample: number;
  /** The order of the files in this epoch, and of the samples in the file that is read. */
  readonly shards: readonly number[];
  readonly samples: readonly number[];
  readonly random: Mt19937State;
}

interface RandomPosition {
  readonly order: "random";
  readonly random: Mt19937State;
}

/** Position of a loader, which determines its next batch and all after it. Plain data, to be stored as JSON. */
export type LoaderPosition = FilePosition | ShufflePosition | RandomPosition;

/** Says which tokens make up each batch: one window of B*T + 1 tokens, or B of T + 1. */
export interface BatchOrder {
  next(): Window[];
  reset(): void;
  position(): LoaderPosition;
  /** InputError when the position belongs to another order or to other data; the order then stays where it was. */
  seek(position: LoaderPosition): void;
}

export interface BatchSizes {
  readonly B: number;
  readonly T: number;
}

/** The batches of B*T + 1 tokens in a file: each starts B*T tokens after the one before it. */
export function samplesIn(count: number, { B, T }: BatchSizes): number {
  return Math.floor((count - 1) / (B * T));
}

/** Of a batch of size * B rows, the B rows of one rank. */
export function rowsOfRank(windows: readonly Window[], { B, T }: BatchSizes, { rank }: Rank): readonly Window[] {
  if (windows.length > 1) return windows.slice(rank * B, (rank + 1) * B);
  const [{ file, start }] = windows;
  return [{ file, start: start + rank * B * T, length: B * T + 1 }];
}

export function makeOrder(order: DataOrder, counts: readonly number[], sizes: BatchSizes, seed: number): BatchOrder {
  if (order === "random") return new RandomOrder(counts, sizes, seed);
  return new SampleOrder(counts, sizes, order === "shuffle" ? new Mt19937(seed) : undefined);
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

/**
 * llm.c's order (llmc/dataloader.h): file by file, sample by sample, and from the start again when all are done; where
 * there is a generator, the files are shuffled at every epoch and the samples whenever their file's turn comes.
 */
class SampleOrder implements BatchOrder {
  readonly #samples: readonly number[];
  readonly #batch: number;
  #random: Mt19937 | undefined;
  #files: number[];
  #turn = 0;
  #sample = 0;
  /** Recreated for each file and never mutated, so positions share it. */
  #shuffled: readonly number[] = [];

  constructor(counts: readonly number[], sizes: BatchSizes, random: Mt19937 | undefined) {
    this.#samples = counts.map((count) => samplesIn(count, sizes));
    this.#batch = sizes.B * sizes.T;
    this.#random = random;
    this.#files = upTo(counts.length);
    this.reset();
  }

  /** Starts a new epoch. The generator is not reset, so the next order differs. */
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

  position(): LoaderPosition {
    const [shard, sample] = [this.#turn, this.#sample];
    if (!this.#random) return { order: "file", shard, sample };
    const random = this.#random.position();
    return { order: "shuffle", shard, sample, shards: [...this.#files], samples: this.#shuffled, random };
  }

  seek(position: LoaderPosition): void {
    const order = this.#random ? "shuffle" : "file";
    if (position.order !== order) throw otherOrder(position, order);
    const { shard, sample } = position;
    const files = position.order === "shuffle" ? [...position.shards] : upTo(this.#files.length);
    if (!isPermutation(files, this.#files.length)) throw otherData(`its files are ${files.length} in number`);
    if (!isWithin(shard, files.length - 1)) throw otherData(`it is at file ${shard} of ${files.length}`);
    const samples = this.#samples[files[shard]];
    if (!isWithin(sample, samples)) throw otherData(`it is at batch ${sample} of ${samples}`);
    if (position.order === "shuffle") {
      if (!isPermutation(position.samples, samples))
        throw otherData(`its file has ${position.samples.length} batches, and here it has ${samples}`);
      this.#random = generatorAt(position.random);
      this.#shuffled = position.samples;
    }
    this.#files = files;
    this.#turn = shard;
    this.#sample = sample;
  }

  #open(turn: number): void {
    this.#turn = turn;
    this.#sample = 0;
    if (!this.#random) return;
    const samples = upTo(this.#samples[this.#files[turn]]);
    this.#random.shuffle(samples);
    this.#shuffled = samples;
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

  position(): LoaderPosition {
    return { order: "random", random: this.#random.position() };
  }

  seek(position: LoaderPosition): void {
    if (position.order !== "random") throw otherOrder(position, "random");
    this.#random = generatorAt(position.random);
  }
}

function isWithin(value: number, last: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= last;
}

/** True if `values` is a permutation of 0 … `count` - 1. */
function isPermutation(values: readonly number[], count: number): boolean {
  return (
    values.length === count && values.every((value) => isWithin(value, count - 1)) && new Set(values).size === count
  );
}

function generatorAt(state: Mt19937State): Mt19937 {
  try {
    return Mt19937.at(state);
  } catch (error) {
    throw new InputError("The data's position is damaged: its random state cannot be. Use another checkpoint.", {
      cause: error,
    });
  }
}

function otherOrder(position: LoaderPosition, order: DataOrder): InputError {
  return new InputError(
    `The position in the data is one of order "${position.order}", and this data is read in order "${order}". Use the ` +
      "order that the position was taken in (llm-ts train --order).",
  );
}

function otherData(what: string): InputError {
  return new InputError(
    `The position in the data does not fit it: ${what}. Use the same files, batch and block as when it was taken.`,
  );
}
