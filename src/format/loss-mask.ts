/**
 * Loss masks, ours: a file beside a token file, train.mask beside train.bin, that says which tokens a model learns to predict.
 *
 * Header of 256 int32, [0] 20261129, [1] version 1, [2] number of tokens, then a byte a token: 1 where its loss counts, 0 where
 * the token is input alone. llm.c, which knows no masks, reads the token file as ever.
 */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import type { ByteSink, ByteSource } from "../platform/platform.ts";
import { checkSize, fieldError, headerBytes, magic, makeHeader, readHeaderOf } from "./header.ts";
import type { TokenFile } from "./tokens.ts";

export interface LossMask {
  readonly name: string;
  readonly count: number;
  /** Of `length` tokens from `start` on: 1 where the loss counts. */
  read(start: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

const version = 1;

/** The name of the mask of a token file: train.mask of train.bin. */
export function maskName(tokenFile: string): string {
  return tokenFile.replace(/(\.bin)?$/, ".mask");
}

/** The mask beside a token file; undefined where there is none, InputError where it is damaged, of other tokens, or all zeros. */
export async function findMask({ name, count }: TokenFile): Promise<LossMask | undefined> {
  const path = maskName(name);
  if ((await platform.pathKind(path)) !== "file") return undefined;
  const source = await platform.openSource(path);
  try {
    const mask = await openMask(source);
    if (mask.count !== count)
      throw new InputError(
        `${path} is the loss mask of ${mask.count} tokens, and ${name} beside it has ${count}: they are of different data. ` +
          again,
      );
    if (!(await countsSome(mask)))
      throw new InputError(
        `${path} lets none of its ${count} tokens count, so that nothing would be learned. ${again}`,
      );
    return mask;
  } catch (error) {
    await source.close();
    throw error;
  }
}

const again =
  "Prepare the data again (llm-ts prepare --chat conversations.jsonl), or remove the mask to train on all tokens.";

/** Bytes that are read at once. */
const block = 1 << 20;

/** True if the loss of any token counts; reads up to the first that does. */
async function countsSome(mask: LossMask): Promise<boolean> {
  for (let start = 0; start < mask.count; start += block)
    if ((await mask.read(start, Math.min(block, mask.count - start))).some((counts) => counts !== 0)) return true;
  return false;
}

async function openMask(source: ByteSource): Promise<LossMask> {
  const header = await readMaskHeader(source);
  return {
    name: source.name,
    count: header.tokens,
    read: (start, length) => source.read(headerBytes + start, length),
    close: () => source.close(),
  };
}

/** Number of tokens of a mask; InputError when it is damaged. */
export async function readMaskHeader(source: ByteSource): Promise<{ readonly tokens: number }> {
  const header = await readHeaderOf(source, "mask");
  const tokens = header[2];
  if (header[1] !== version) throw fieldError(source, header, 1, "version", `${version}`);
  if (tokens < 0) throw fieldError(source, header, 2, "number of tokens", "0 or more");
  checkSize(source, headerBytes + tokens, `a byte for each of ${tokens} tokens after the header`);
  return { tokens };
}

/** Incremental writer of a mask. `finish` writes the count into the header; the caller commits the sink. */
export class MaskWriter {
  readonly #sink: ByteSink;
  #count = 0;
  #counted = 0;

  private constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  static async create(sink: ByteSink): Promise<MaskWriter> {
    await sink.write(headerOf(0));
    return new MaskWriter(sink);
  }

  /** Tokens so far whose loss counts. */
  get counted(): number {
    return this.#counted;
  }

  async write(mask: Uint8Array): Promise<void> {
    this.#count += mask.length;
    for (const counts of mask) this.#counted += counts;
    await this.#sink.write(mask);
  }

  async finish(): Promise<void> {
    await this.#sink.rewrite(0, headerOf(this.#count));
  }
}

function headerOf(count: number): Uint8Array {
  return makeHeader({ 0: magic.mask, 1: version, 2: count });
}
