/** What an ONNX file holds, read without its weights: the fields of its messages that describe the model. */
import { sizeOf } from "../backend/shape.ts";
import { InputError } from "../errors.ts";
import type { ByteSource } from "../platform/platform.ts";

export interface OnnxSummary {
  /** The program that wrote it. */
  readonly producer: string;
  /** Version of the operators. */
  readonly opset: number;
  readonly nodes: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly weights: readonly OnnxWeight[];
}

/** A tensor of the graph with one dimension or more; scalars are constants. */
export interface OnnxWeight {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** Reads the description of a model. InputError for a damaged file. */
export async function readOnnx(source: ByteSource): Promise<OnnxSummary> {
  const reader = new Reader(source);
  const [producer, graph] = [await reader.find(whole(source), 2), await reader.find(whole(source), 7)];
  if (!graph) throw new InputError(`${source.name} has no graph: it is no model in ONNX, or damaged. Write it again.`);
  let opset = 0;
  // The operators of ONNX itself have no domain, or its name.
  for await (const field of reader.fields(whole(source)))
    if (field.number === 8 && /^(ai\.onnx)?$/.test(await reader.text(await reader.find(field, 1))))
      opset = (await reader.find(field, 2))?.value ?? 0;
  let nodes = 0;
  const [inputs, outputs, weights]: [string[], string[], OnnxWeight[]] = [[], [], []];
  for await (const field of reader.fields(graph)) {
    if (field.number === 1) nodes++;
    else if (field.number === 5) weights.push(await weightIn(reader, field));
    else if (field.number === 11 || field.number === 12)
      (field.number === 11 ? inputs : outputs).push(await reader.text(await reader.find(field, 1)));
  }
  return {
    producer: await reader.text(producer),
    opset,
    nodes,
    inputs,
    outputs,
    weights: weights.filter(({ shape }) => shape.length > 0),
  };
}

/** Numbers of the weights, without the integers that shapes are. */
export function onnxParameters({ weights }: OnnxSummary): number {
  return weights.filter(({ dtype }) => dtype !== "i64").reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

const dtypes: Readonly<Record<number, string>> = { 1: "f32", 2: "u8", 3: "i8", 7: "i64", 10: "f16", 16: "bf16" };

async function weightIn(reader: Reader, tensor: Field): Promise<OnnxWeight> {
  const shape: number[] = [];
  let [type, name] = [0, ""];
  for await (const field of reader.fields(tensor)) {
    if (field.number === 1) shape.push(...(await reader.varints(field)));
    else if (field.number === 2) type = field.value;
    else if (field.number === 8) name = await reader.text(field);
  }
  return { name, dtype: dtypes[type] ?? `type ${type}`, shape };
}

/** A field of a message: a whole number, or the bytes from `start` to `end`. */
interface Field {
  readonly number: number;
  /** Of bytes: their count. */
  readonly value: number;
  readonly start: number;
  readonly end: number;
}

const whole = ({ size }: ByteSource) => ({ start: 0, end: size });

/** Bytes read at once. */
const windowBytes = 1 << 16;
/** Longest name that is read. */
const longestText = 1 << 12;

/** Protocol Buffers' fields, read piece by piece: bytes not asked for are skipped. */
class Reader {
  readonly #source: ByteSource;
  #start = 0;
  #window: Uint8Array = new Uint8Array();

  constructor(source: ByteSource) {
    this.#source = source;
  }

  async *fields({ start, end }: Pick<Field, "start" | "end">): AsyncGenerator<Field, void, undefined> {
    for (let at = start; at < end; ) {
      const key = await this.#varint(at);
      const number = Math.floor(key.value / 8);
      const type = key.value % 8;
      const first = type === 0 || type === 2 ? await this.#varint(key.end) : { value: 0, end: key.end };
      const length = { 1: 8, 2: first.value, 5: 4 }[type] ?? 0;
      if (![0, 1, 2, 5].includes(type) || number === 0 || first.end + length > end) throw this.#damaged(at);
      at = first.end + length;
      yield { number, value: first.value, start: first.end, end: at };
    }
  }

  async find(message: Pick<Field, "start" | "end">, wanted: number): Promise<Field | undefined> {
    for await (const field of this.fields(message)) if (field.number === wanted) return field;
    return undefined;
  }

  /** Text of a field; "" where there is none. */
  async text(field: Field | undefined): Promise<string> {
    if (!field) return "";
    const length = Math.min(field.end - field.start, longestText);
    return new TextDecoder().decode(await this.#source.read(field.start, length));
  }

  /** Whole numbers of a repeated field: packed, or one. */
  async varints({ value, start, end }: Field): Promise<number[]> {
    if (start === end) return [value];
    const found: number[] = [];
    for (let at = start; at < end; ) {
      const next = await this.#varint(at);
      found.push(next.value);
      at = next.end;
    }
    return found;
  }

  async #varint(at: number): Promise<{ readonly value: number; readonly end: number }> {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = await this.#byte(at + i);
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return { value, end: at + i + 1 };
    }
    throw this.#damaged(at);
  }

  async #byte(at: number): Promise<number> {
    if (at < this.#start || at >= this.#start + this.#window.length) {
      if (at >= this.#source.size) throw this.#damaged(at);
      this.#window = await this.#source.read(at, Math.min(windowBytes, this.#source.size - at));
      this.#start = at;
    }
    return this.#window[at - this.#start];
  }

  #damaged(at: number): InputError {
    return new InputError(
      `${this.#source.name} is damaged, or no model in ONNX: no field of it begins at byte ${at}. Write it again.`,
    );
  }
}
