/**
 * llm.c's files start with 256 int32, little-endian: a magic number, a version, then whatever the format needs; unused
 * fields are 0. Every machine that JavaScript runs on is little-endian, so typed arrays read them as they are.
 */
import { InputError } from "../errors.ts";
import type { ByteSource } from "../platform/platform.ts";
import { foreignFile } from "./foreign.ts";

const headerInts = 256;
export const headerBytes = 4 * headerInts;

export const magic = {
  model: 20240326,
  state: 20240327,
  tokenizer: 20240328,
  tokens: 20240520,
  hellaswag: 20240522,
  optimizer: 20240527,
  tokens32: 20240801,
  /** Ours. */
  mask: 20261129,
} as const;

export type LlmcFormat = keyof typeof magic;

/** Descriptions of the formats, for messages. */
export const names: Record<LlmcFormat, string> = {
  model: "a model checkpoint",
  state: "a debug state",
  tokenizer: "a tokenizer",
  tokens: "a token file",
  hellaswag: "a HellaSwag file",
  optimizer: "an optimizer state",
  tokens32: "a token file of 32-bit tokens (Llama 3)",
  mask: "a loss mask of llm-ts",
};

/** The llm.c format of a magic number. */
export function formatOfMagic(number: number): LlmcFormat | undefined {
  return (Object.keys(magic) as LlmcFormat[]).find((format) => magic[format] === number);
}

/** The 256 fields of the header, unchecked. InputError when the file is shorter than a header. */
export async function readHeader(source: ByteSource): Promise<Int32Array> {
  if (source.size < headerBytes) throw tooShort(source);
  return new Int32Array((await source.read(0, headerBytes)).slice().buffer);
}

/** Reads the header of one of the `expected` formats; InputError for any other, named where it is known. */
export async function readHeaderOf(source: ByteSource, ...expected: readonly LlmcFormat[]): Promise<Int32Array> {
  const header = source.size < headerBytes ? undefined : await readHeader(source);
  if (header && expected.some((format) => magic[format] === header[0])) return header;
  const foreign = await foreignFile(source);
  if (foreign)
    throw new InputError(
      `${source.name} is ${foreign.what}, expected ${expected.map((format) => names[format]).join(" or ")}. ${foreign.advice}`,
    );
  throw header ? wrongMagic(source, header[0], expected) : tooShort(source);
}

function tooShort({ name, size }: ByteSource): InputError {
  return new InputError(
    `${name} has ${size} bytes, expected at least the ${headerBytes} of a header: ` +
      "it is truncated, or of another format. Copy or write it again.",
  );
}

function wrongMagic(source: ByteSource, found: number, expected: readonly LlmcFormat[]): InputError {
  const known = formatOfMagic(found);
  const wanted = expected.map((format) => `${magic[format]} of ${names[format]}`).join(" or ");
  const letters = new TextDecoder().decode(Int32Array.of(found));
  const kind = /^[\x20-\x7e\s]{4}$/.test(letters)
    ? `this seems to be a text, which begins with ${JSON.stringify(letters)}`
    : "this is another kind of file";
  const really = known
    ? `this is ${names[known]}. Give the right file`
    : `${kind}. Give the right one; llm-ts info FILE describes a file`;
  return new InputError(`${source.name}: header field [0] (magic, byte 0) is ${found}, expected ${wanted}: ${really}.`);
}

/** A header with the given fields, by index. */
export function makeHeader(fields: Record<number, number>): Uint8Array {
  const header = new Int32Array(headerInts);
  for (const [index, value] of Object.entries(fields)) header[Number(index)] = value;
  return new Uint8Array(header.buffer);
}

/** InputError for a header field: its name, index, byte, value and the `expected` value. */
export function fieldError(
  source: ByteSource,
  header: Int32Array,
  index: number,
  field: string,
  expected: string,
  advice = "The file is damaged or of an unknown kind: copy or write it again.",
): InputError {
  return new InputError(
    `${source.name}: header field [${index}] (${field}, byte ${4 * index}) is ${header[index]}, ` +
      `expected ${expected}. ${advice}`,
  );
}

/** Checks the file's length against its header, so that nothing is allocated because of a damaged header. */
export function checkSize(source: ByteSource, expected: number, why: string): void {
  if (source.size === expected) return;
  const difference = Math.abs(source.size - expected);
  const how = source.size < expected ? `truncated: ${difference} bytes are missing` : `${difference} bytes too long`;
  throw new InputError(
    `${source.name} has ${source.size} bytes, expected ${expected} (${why}). It is ${how}, or its header is ` +
      "damaged. Copy or write it again.",
  );
}
