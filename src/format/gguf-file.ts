/**
 * The GGUF container, version 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): little-endian; magic "GGUF",
 * version, counts, then metadata (name, type, value), then the tensors' names, dimensions (the innermost first), types and
 * offsets; their data starts at the next multiple of the alignment, each of them at one.
 */
import { sizeOf } from "../backend/shape.ts";
import { InputError } from "../errors.ts";
import type { ByteSource } from "../platform/platform.ts";

/** Values that llm-ts writes. Numbers are named by their type: most keys have one of these. */
export type GgufValue =
  | string
  | boolean
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly strings: readonly string[] }
  | { readonly i32s: readonly number[] };

export type GgufMetadata = Readonly<Record<string, GgufValue>>;

/** Values as they are read: numbers and lists of all types. */
export type GgufFields = Readonly<Record<string, unknown>>;

export interface GgufTensor {
  readonly name: string;
  /** The outermost dimension first, as elsewhere here. */
  readonly shape: readonly number[];
  /** ggml's number of the type: see `ggmlTypes`. */
  readonly type: number;
  /** Byte offset in the file. */
  readonly offset: number;
}

/** ggml's numbers of the types that llm-ts knows, with the bytes of a block of elements. */
export const ggmlTypes = {
  f32: { number: 0, block: 1, bytes: 4 },
  f16: { number: 1, block: 1, bytes: 2 },
  q8_0: { number: 8, block: 32, bytes: 34 },
  bf16: { number: 30, block: 1, bytes: 2 },
} as const;

export type GgmlType = keyof typeof ggmlTypes;

/** Bytes of `elements` numbers of a type. */
export function ggmlBytes(type: GgmlType, elements: number): number {
  const { block, bytes } = ggmlTypes[type];
  return (elements / block) * bytes;
}

const version = 3;
export const alignment = 32;
const magic = "GGUF";

/** Numbers of the types of values. */
const [u8, i8, u16, i16, u32, i32, f32, bool, string, array, u64, i64, f64] = Array.from({ length: 13 }, (_, i) => i);

export interface NewTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: GgmlType;
}

/** Everything before the data of the tensors, which then follow in order, each padded to `alignment`. */
export function makeGgufHeader(metadata: GgufMetadata, tensors: readonly NewTensor[]): Uint8Array {
  const out = new ByteWriter();
  out.bytes(new TextEncoder().encode(magic));
  out.u32(version);
  out.u64(tensors.length);
  out.u64(Object.keys(metadata).length);
  for (const [name, value] of Object.entries(metadata)) {
    out.string(name);
    writeValue(out, value);
  }
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    out.string(name);
    out.u32(shape.length);
    for (const size of shape.toReversed()) out.u64(size);
    out.u32(ggmlTypes[type].number);
    out.u64(offset);
    offset = aligned(offset + ggmlBytes(type, sizeOf(shape)));
  }
  out.pad();
  return out.take();
}

/** The next multiple of the alignment. */
export function aligned(offset: number, to = alignment): number {
  return Math.ceil(offset / to) * to;
}

function writeValue(out: ByteWriter, value: GgufValue): void {
  if (typeof value === "string") {
    out.u32(string);
    out.string(value);
  } else if (typeof value === "boolean") {
    out.u32(bool);
    out.bytes(Uint8Array.of(Number(value)));
  } else if ("u32" in value) {
    out.u32(u32);
    out.u32(value.u32);
  } else if ("f32" in value) {
    out.u32(f32);
    out.bytes(new Uint8Array(Float32Array.of(value.f32).buffer));
  } else if ("strings" in value) {
    out.list(string, value.strings.length);
    for (const text of value.strings) out.string(text);
  } else {
    out.list(i32, value.i32s.length);
    out.bytes(new Uint8Array(Int32Array.from(value.i32s).buffer));
  }
}

/** Collects little-endian numbers and texts. */
class ByteWriter {
  #bytes = new Uint8Array(1 << 12);
  #length = 0;

  bytes(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * (this.#length + bytes.length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  u32(value: number): void {
    this.bytes(new Uint8Array(Uint32Array.of(value).buffer));
  }

  u64(value: number): void {
    this.bytes(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    this.bytes(bytes);
  }

  list(type: number, length: number): void {
    this.u32(array);
    this.u32(type);
    this.u64(length);
  }

  pad(): void {
    this.bytes(new Uint8Array(aligned(this.#length) - this.#length));
  }

  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

export interface GgufHeader {
  readonly fields: GgufFields;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** Bytes; GPT-2's vocabulary takes 2 MB. */
const longestHeader = 256 << 20;
const mostTensors = 1 << 16;

/** Reads and checks the header. InputError where it is damaged, truncated, or of another version. */
export async function readGgufHeader(source: ByteSource): Promise<GgufHeader> {
  const reader = new ByteReader(source);
  const start = new TextDecoder().decode(await reader.bytes(4));
  if (start !== magic) throw damaged(source, `it begins with ${JSON.stringify(start)}, expected "${magic}"`);
  const found = await reader.u32();
  if (found !== 2 && found !== version)
    throw new InputError(
      `${source.name}: GGUF version ${found}, and llm-ts reads 2 and ${version}. Convert it again with a current llama.cpp.`,
    );
  const [tensorCount, fieldCount] = [await reader.u64(), await reader.u64()];
  if (tensorCount > mostTensors || fieldCount > mostTensors)
    throw damaged(source, `${tensorCount} tensors and ${fieldCount} fields are more than any model has`);
  const entries: [string, unknown][] = [];
  for (let i = 0; i < fieldCount; i++) entries.push([await reader.string(), await reader.value(await reader.u32())]);
  const fields: GgufFields = Object.fromEntries(entries);
  const tensors: GgufTensor[] = [];
  for (let i = 0; i < tensorCount; i++) {
    const name = await reader.string();
    const dimensions = await reader.u32();
    if (dimensions > 4) throw damaged(source, `tensor "${name}" has ${dimensions} dimensions, expected 1 to 4`);
    const shape: number[] = [];
    for (let d = 0; d < dimensions; d++) shape.unshift(await reader.u64());
    tensors.push({ name, shape, type: await reader.u32(), offset: await reader.u64() });
  }
  const to = fields["general.alignment"] ?? alignment;
  if (typeof to !== "number" || to < 1) throw damaged(source, `"general.alignment" is ${String(to)}`);
  const data = aligned(reader.position, to);
  return {
    fields,
    tensors: new Map(tensors.map((tensor) => [tensor.name, { ...tensor, offset: data + tensor.offset }])),
  };
}

function damaged({ name }: ByteSource, what: string): InputError {
  return new InputError(`${name} is damaged: ${what}. Copy or download it again.`);
}

/** Bytes that are read at once. */
const window = 1 << 20;

/** Reads a header front to back, a window at a time. */
class ByteReader {
  readonly #source: ByteSource;
  #window: Uint8Array = new Uint8Array(0);
  #start = 0;
  position = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  async bytes(length: number): Promise<Uint8Array> {
    const { size } = this.#source;
    if (this.position + length > Math.min(size, longestHeader))
      throw damaged(
        this.#source,
        `its header ends behind byte ${Math.min(size, longestHeader)}, where the file or all reason does`,
      );
    if (this.position + length > this.#start + this.#window.length || this.position < this.#start) {
      this.#start = this.position;
      this.#window = await this.#source.read(this.#start, Math.min(Math.max(length, window), size - this.#start));
    }
    const from = this.position - this.#start;
    this.position += length;
    return this.#window.subarray(from, from + length);
  }

  async #view(length: number): Promise<DataView> {
    const { buffer, byteOffset } = await this.bytes(length);
    return new DataView(buffer, byteOffset, length);
  }

  async u32(): Promise<number> {
    return (await this.#view(4)).getUint32(0, true);
  }

  async u64(): Promise<number> {
    return Number((await this.#view(8)).getBigUint64(0, true));
  }

  async string(): Promise<string> {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await this.bytes(await this.u64()));
  }

  async value(type: number): Promise<unknown> {
    switch (type) {
      case u8:
        return (await this.#view(1)).getUint8(0);
      case i8:
        return (await this.#view(1)).getInt8(0);
      case u16:
        return (await this.#view(2)).getUint16(0, true);
      case i16:
        return (await this.#view(2)).getInt16(0, true);
      case u32:
        return this.u32();
      case i32:
        return (await this.#view(4)).getInt32(0, true);
      case f32:
        return (await this.#view(4)).getFloat32(0, true);
      case bool:
        return (await this.#view(1)).getUint8(0) !== 0;
      case string:
        return this.string();
      case array:
        return this.#list();
      case u64:
        return this.u64();
      case i64:
        return Number((await this.#view(8)).getBigInt64(0, true));
      case f64:
        return (await this.#view(8)).getFloat64(0, true);
      default:
        throw damaged(this.#source, `a field before byte ${this.position} has type ${type}, expected 0 to 12`);
    }
  }

  async #list(): Promise<unknown[]> {
    const [type, length] = [await this.u32(), await this.u64()];
    if (type === array) throw damaged(this.#source, `a list of lists before byte ${this.position}`);
    const values: unknown[] = [];
    for (let i = 0; i < length; i++) values.push(await this.value(type));
    return values;
  }
}
