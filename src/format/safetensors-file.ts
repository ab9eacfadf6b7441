/**
 * The safetensors container (https://github.com/huggingface/safetensors): 8 bytes with the length of a JSON header, the
 * header, then the raw tensors. The header maps names to dtype, shape and offsets; "__metadata__" holds strings.
 */
import { InputError } from "../errors.ts";
import type { ByteSource } from "../platform/platform.ts";
import { isObject } from "./json.ts";
import { bytesPer, type FileDType } from "./numbers.ts";

export interface StoredTensor {
  readonly name: string;
  /** F32, BF16, F16, or an unsupported type. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Byte offset in the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes; GPT-2 XL's header has 60 KB. */
const longestHeader = 16 << 20;

/** Bits per element of all dtypes of the format. */
const elementBits: Record<string, number> = {
  ...{ F4: 4, F6_E2M3: 6, F6_E3M2: 6 },
  ...{ BOOL: 8, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8 },
  ...{ I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32, F64: 64, I64: 64, U64: 64, C64: 64 },
};

/** Supported dtypes of weights by their safetensors names. */
export const weightDTypes: Readonly<Record<string, FileDType>> = { F32: "f32", F16: "f16", BF16: "bf16" };

/** Reads and checks the header: every tensor is within the file, matches its shape, and overlaps no other. */
export async function readSafetensorsHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const length = await readHeaderLength(source);
  const dataOffset = 8 + length;
  const json = parseHeader(source, await source.read(8, length));
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of Object.entries(json))
    if (name !== "__metadata__") tensors.set(name, checkEntry(source, name, entry, dataOffset));
  checkOffsets(source, [...tensors.values()], dataOffset);
  return { tensors, metadata: strings(json.__metadata__) };
}

async function readHeaderLength(source: ByteSource): Promise<number> {
  if (source.size < 8)
    throw new InputError(
      `${source.name} has ${source.size} bytes, too few for safetensors. Copy or download it again.`,
    );
  const start = await source.read(0, 8);
  const length = Number(new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true));
  const most = Math.min(longestHeader, source.size - 8);
  if (length < 2 || length > most)
    throw new InputError(
      `${source.name}: the header's length (bytes 0 to 7) is ${length}, expected 2 to ${most}. The file is truncated, ` +
        "damaged, or no safetensors file: copy or download it again.",
    );
  return length;
}

function parseHeader(source: ByteSource, bytes: Uint8Array): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (isObject(json)) return json;
  } catch (error) {
    throw new InputError(
      `${source.name}: the header (bytes 8 to ${7 + bytes.length}) is not valid JSON. Copy or download the file again.`,
      { cause: error },
    );
  }
  throw new InputError(`${source.name}: the header is not a JSON object. Copy or download the file again.`);
}

function checkEntry(source: ByteSource, name: string, entry: unknown, dataOffset: number): StoredTensor {
  const wrong = (field: string, value: unknown, expected: string) =>
    new InputError(
      `${source.name}: tensor ${JSON.stringify(name)} has ${field} ${JSON.stringify(value)}, expected ${expected}. ` +
        "The file is damaged: copy or download it again.",
    );
  if (!isObject(entry)) throw wrong("entry", entry, "an object");
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string") throw wrong("dtype", dtype, "a name");
  if (!Object.hasOwn(elementBits, dtype)) throw unsupportedDType(source, name, dtype);
  if (!isSizes(shape)) throw wrong("shape", shape, "a list of whole numbers");
  const dataBytes = source.size - dataOffset;
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1] || offsets[1] > dataBytes)
    throw wrong("data_offsets", offsets, `start and end within the ${dataBytes} bytes after the header`);
  const [start, end] = offsets;
  const bytes = shape.reduce((product, n) => product * n, elementBits[dtype]) / 8;
  if (bytes !== end - start)
    throw wrong("data_offsets", offsets, `${bytes} bytes for ${dtype} of shape ${JSON.stringify(shape)}`);
  return { name, dtype, shape, offset: dataOffset + start, bytes };
}

/** InputError for a tensor of an unsupported type. */
export function unsupportedDType(source: ByteSource, name: string, dtype: string): InputError {
  return new InputError(
    `${source.name}: tensor ${JSON.stringify(name)} is ${dtype}, which llm-ts does not support; it reads ` +
      `${Object.keys(weightDTypes).join(", ")}. Give the model in one of these.`,
  );
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** Tensors follow each other without gaps to the end of the file, as the format demands. */
function checkOffsets(source: ByteSource, tensors: readonly StoredTensor[], dataOffset: number): void {
  let end = dataOffset;
  for (const { name, offset, bytes } of tensors.toSorted((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (offset !== end)
      throw new InputError(
        `${source.name}: tensor ${JSON.stringify(name)} starts at byte ${offset}, expected ${end}, where the one ` +
          "before it ends. The file is damaged: copy or download it again.",
      );
    end += bytes;
  }
  if (end !== source.size)
    throw new InputError(
      `${source.name} has ${source.size} bytes, expected ${end} for the tensors in its header. The file is damaged: ` +
        "copy or download it again.",
    );
}

function strings(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** Header of a new file, whose tensors of `dtype`, or int32 where they are integers, follow in the given order. */
export function makeSafetensorsHeader(
  tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly integer?: boolean }[],
  dtype: FileDType,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, shape, integer } of tensors) {
    const end = offset + shape.reduce((product, n) => product * n, integer ? 4 : bytesPer[dtype]);
    header[name] = { dtype: integer ? "I32" : dtype.toUpperCase(), shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Padded with spaces, so that the tensors start at a multiple of 8.
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}
