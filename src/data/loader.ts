import { platform } from "#platform";
import { InputError, shown, UsageError } from "../errors.ts";
import { type HeaderlessType, headerlessTypes } from "../format/headerless.ts";
import { findMask, type LossMask } from "../format/loss-mask.ts";
import { openTokenFile, type TokenFile } from "../format/tokens.ts";
import { alone, checkRank, type Rank } from "../group/group.ts";
import { type OptionNames, requireOptions, requireType } from "../option-names.ts";
import { hasWildcard } from "../platform/glob.ts";
import type { Batch } from "./batch.ts";
import { requireNoMask, splitFiles } from "./dataset.ts";
import {
  type BatchOrder,
  type DataOrder,
  dataOrders,
  type LoaderPosition,
  makeOrder,
  rowsOfRank,
  samplesIn,
  type Window,
} from "./order.ts";

export interface TokenLoaderOptions {
  /** Rows of a batch. */
  readonly B: number;
  /** Tokens of a row. */
  readonly T: number;
  /**
   * `file` (default): from start to end, as llm.c did in April 2024 and still does for validation. `shuffle`: as
   * today's llm.c does for training. `random`: rows from anywhere, as nanoGPT does.
   */
  readonly order?: DataOrder;
  /** For `shuffle` and `random`; default 42. */
  readonly seed?: number;
  /** The model's vocabulary: tokens at or over it are refused. */
  readonly V?: number;
  /** The files have no header: llm.c's of April 2024 (true or "int32"), or nanoGPT's ("uint16"). */
  readonly headerless?: boolean | HeaderlessType;
  /** Apply the loss mask that lies beside a token file: targets whose loss does not count are -1. Default true. */
  readonly masked?: boolean;
  /** The split to read from a folder that `prepare` wrote; default `train`. */
  readonly split?: "train" | "val";
  /**
   * The member of a group that reads: batches are of size * B rows, of which it gets the B of its rank. Positions are the
   * group's, equal in all members. Default: all rows.
   */
  readonly group?: Rank;
}

const loaderOptions: OptionNames<TokenLoaderOptions> = {
  B: "batch",
  T: "block",
  order: true,
  seed: true,
  V: true,
  headerless: true,
  masked: true,
  split: true,
  group: true,
};

/** Files that together are no larger than this are read into memory once. */
const inMemoryBytes = 64 << 20;

/** A token file with its loss mask. */
interface Shard {
  readonly tokens: TokenFile;
  readonly mask: LossMask | undefined;
}

/** Serves batches from token files, in llm.c's or nanoGPT's order. */
export class TokenLoader {
  /** The paths of the token files, in order. */
  readonly files: readonly string[];
  /** The paths of their loss masks. */
  readonly masks: readonly string[];
  readonly B: number;
  readonly T: number;
  readonly numTokens: number;
  /** Batches in one epoch; the incomplete last batch of each file is dropped. */
  readonly batchesPerEpoch: number;
  readonly #shards: readonly Shard[];
  readonly #order: BatchOrder;
  readonly #V: number | undefined;
  readonly #group: Rank;

  private constructor(shards: readonly Shard[], options: TokenLoaderOptions) {
    const { B, T, order = "file", seed = 42, V, group = alone } = options;
    const counts = shards.map(({ tokens }) => tokens.count);
    const sizes = { B: B * group.size, T };
    this.#shards = shards;
    this.#order = makeOrder(order, counts, sizes, seed);
    this.#V = V;
    this.#group = group;
    this.B = B;
    this.T = T;
    this.files = shards.map(({ tokens }) => tokens.name);
    this.masks = shards.flatMap(({ mask }) => (mask ? [mask.name] : []));
    this.numTokens = counts.reduce((sum, count) => sum + count, 0);
    this.batchesPerEpoch = counts.reduce((sum, count) => sum + samplesIn(count, sizes), 0);
  }

  /**
   * Opens what `patterns` name: token files, globs of them (`data/train_*.bin`), or a folder that `prepare` wrote.
   * InputError when there is none, one is damaged, or one is too short for a batch.
   */
  static async open(patterns: string | readonly string[], options: TokenLoaderOptions): Promise<TokenLoader> {
    requireOptions("TokenLoader.open", options, loaderOptions);
    const { B, T, V, split = "train", order = "file", seed = 42, masked = true, headerless, group = alone } = options;
    if (!dataOrders.includes(order))
      throw new UsageError(`There is no order ${shown(order)}. Choose one of ${dataOrders.join(", ")}.`);
    if (split !== "train" && split !== "val") throw new UsageError(`split is ${shown(split)}, expected train or val.`);
    for (const [name, value] of Object.entries({ B, T, ...(V !== undefined && { V }) }))
      if (!Number.isSafeInteger(value) || value < 1)
        throw new UsageError(`${name} is ${shown(value)}, expected a whole number of at least 1.`);
    if (!Number.isSafeInteger(seed)) throw new UsageError(`seed is ${shown(seed)}, expected a whole number.`);
    requireType("boolean", { masked });
    if (headerless !== undefined && typeof headerless !== "boolean" && !headerlessTypes.includes(headerless))
      throw new UsageError(
        `headerless is ${shown(headerless)}, expected true, false, ${headerlessTypes.join(" or ")}.`,
      );
    checkRank(group);
    requirePatterns(patterns);
    const paths = await tokenFilesOf(patterns, split);
    const shards: Shard[] = [];
    try {
      for (const path of paths) shards.push(await openShard(path, masked && !headerless, options));
      for (const { tokens } of shards) checkLength(tokens, options);
      const bytes = shards.reduce((sum, { tokens }) => sum + tokens.count * tokens.tokenBytes, 0);
      return new TokenLoader(bytes > inMemoryBytes ? shards : await Promise.all(shards.map(inMemory)), options);
    } catch (error) {
      await closeAll(shards);
      throw error;
    }
  }

  /** The next batch. The order never ends: after the last batch of an epoch comes the first of the next. */
  async next(): Promise<Batch> {
    const windows = rowsOfRank(this.#order.next(), this, this.#group);
    const inputs = new Int32Array(this.B * this.T);
    const targets = new Int32Array(this.B * this.T);
    const pieces = await Promise.all(windows.map((window) => this.#read(window)));
    let row = 0;
    for (const { tokens, mask } of pieces) {
      const length = tokens.length - 1;
      inputs.set(tokens.subarray(0, -1), row);
      targets.set(tokens.subarray(1), row);
      if (mask) for (let i = 0; i < length; i++) if (mask[i + 1] === 0) targets[row + i] = -1;
      row += length;
    }
    return { inputs, targets };
  }

  /** Position of the loader: before the batch that `next` returns next. Cheap enough to read before every batch. */
  position(): LoaderPosition {
    return this.#order.position();
  }

  /**
   * Resumes at a position of a loader of the same files, sizes and order: the next batch is the one that came next
   * there. InputError when the position does not fit this data.
   */
  seek(position: LoaderPosition): void {
    if (typeof position !== "object" || position === null)
      throw new UsageError(`The position is ${shown(position)}, expected one that TokenLoader.position gave.`);
    this.#order.seek(position);
  }

  /**
   * Starts over: `file` at the first batch, `random` at its seed. `shuffle` begins a new epoch in a new order, as
   * llm.c does.
   */
  reset(): void {
    this.#order.reset();
  }

  async close(): Promise<void> {
    await closeAll(this.#shards);
  }

  async #read({ file, start, length }: Window): Promise<{ tokens: Int32Array; mask: Uint8Array | undefined }> {
    const { tokens: source, mask } = this.#shards[file];
    const tokens = await source.read(start, length);
    const V = this.#V;
    const bad = V === undefined ? -1 : tokens.findIndex((token) => token < 0 || token >= V);
    if (bad >= 0)
      throw new InputError(
        `${source.name}: token ${tokens[bad] >>> 0} at position ${start + bad} is not in the model's vocabulary of ` +
          `${V}. Prepare the data with the model's tokenizer, or use a model of the data's vocabulary.`,
      );
    return { tokens, mask: await mask?.read(start, length) };
  }
}

function requirePatterns(patterns: string | readonly string[]): void {
  const all = typeof patterns === "string" ? [patterns] : patterns;
  if (!Array.isArray(all) || !all.every((pattern) => typeof pattern === "string" && pattern !== ""))
    throw new UsageError(`The token files are ${shown(patterns)}, expected a path or a list of paths.`);
}

/** The token files of paths, patterns and folders of prepared data. InputError where there are none. */
export async function tokenFilesOf(patterns: string | readonly string[], split: "train" | "val"): Promise<string[]> {
  const found: string[] = [];
  for (const pattern of typeof patterns === "string" ? [patterns] : patterns) {
    const isFolder = (await platform.pathKind(pattern)) === "folder";
    found.push(...(isFolder ? await splitOf(pattern, split) : await filesMatching(pattern)));
  }
  if (found.length === 0) throw new InputError("No token files were given. Name one, or a folder of prepared data.");
  return found;
}

async function filesMatching(pattern: string): Promise<string[]> {
  const files = await platform.listFiles(pattern);
  if (files.length > 0) return files;
  const what = hasWildcard(pattern) ? `No file matches ${pattern}` : `${pattern} does not exist`;
  throw new InputError(`${what}. Check the path, or make token files with llm-ts prepare.`);
}

/** The training or validation files of a folder: as dataset.json has it, else by llm.c's and our own names. */
async function splitOf(folder: string, split: "train" | "val"): Promise<string[]> {
  const prepared = await splitFiles(folder, split);
  if (prepared) return prepared;
  const files = [...(await platform.listFiles(`${split}.bin`, folder))];
  if (files.length === 0) files.push(...(await platform.listFiles(`*_${split}.bin`, folder)));
  if (files.length === 1) return files;
  throw new InputError(
    files.length === 0
      ? `${folder} holds no ${split}.bin. Make one with llm-ts prepare, or name the token file itself.`
      : `${folder} holds several ${split} files: ${files.join(", ")}. Name the one to use, or a glob.`,
  );
}

/** InputError when a file of `count` tokens is too short for a batch. */
export function checkLength(
  { name, count }: Pick<TokenFile, "name" | "count">,
  { B, T, order = "file", group = alone }: Pick<TokenLoaderOptions, "B" | "T" | "order" | "group">,
): void {
  const rows = B * group.size;
  const needed = order === "random" ? T + 1 : rows * T + 1;
  if (count >= needed) return;
  const why = order === "random" ? `T = ${T}` : `B = ${rows} rows of T = ${T}`;
  throw new InputError(
    `${name} has ${count} tokens, expected at least ${needed} for one batch of ${why}. ` +
      "Use a longer text, or a smaller batch or block (-b, -t).",
  );
}

async function openShard(path: string, masked: boolean, options: TokenLoaderOptions): Promise<Shard> {
  const tokens = await openTokenFile(await platform.openSource(path), options);
  try {
    const mask = masked ? await findMask(tokens) : undefined;
    if (masked && !mask) await requireNoMask(path);
    return { tokens, mask };
  } catch (error) {
    await tokens.close();
    throw error;
  }
}

async function inMemory({ tokens: file, mask }: Shard): Promise<Shard> {
  const tokens = await file.read(0, file.count);
  await file.close();
  const compact = file.tokenBytes === 2 ? new Uint16Array(tokens) : tokens;
  const read = async (start: number, length: number) => new Int32Array(compact.subarray(start, start + length));
  return { tokens: { ...file, read, close: async () => {} }, mask: mask && (await maskInMemory(mask)) };
}

async function maskInMemory(mask: LossMask): Promise<LossMask> {
  const bytes = await mask.read(0, mask.count);
  await mask.close();
  return { ...mask, read: async (start, length) => bytes.subarray(start, start + length), close: async () => {} };
}

async function closeAll(shards: readonly Shard[]): Promise<void> {
  await Promise.all(shards.flatMap(({ tokens, mask }) => [tokens.close(), mask?.close()]));
}
