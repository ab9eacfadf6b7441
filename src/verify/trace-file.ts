/**
 * Traces in safetensors files: those that `llm-ts trace` writes, with configuration and settings in the metadata, and dumps of
 * other programs, which need neither. A JSON beside a trace lists names, shapes, order, and how each tensor was computed.
 */
import { InputError } from "../errors.ts";
import { bytesPer, toFloat32 } from "../format/numbers.ts";
import {
  makeSafetensorsHeader,
  readSafetensorsHeader,
  type StoredTensor,
  weightDTypes,
} from "../format/safetensors-file.ts";
import type { Operand } from "../mistakes/operation.ts";
import { configProblem, type GPT2Config } from "../model/config.ts";
import type { ByteSink, ByteSource } from "../platform/platform.ts";
import { type Trace, type TraceUpdate, traceTensors } from "./trace.ts";
import type { TraceTensor } from "./trace-tensor.ts";

/** What a trace was made of. */
export interface TraceOrigin {
  readonly config: GPT2Config;
  readonly B: number;
  readonly T: number;
  readonly update: TraceUpdate;
}

/** The right values, computed or from a file. */
export interface ExpectedTrace extends TraceOrigin {
  readonly tensors: readonly TraceTensor[];
  read(name: string): Promise<Operand>;
}

/** Tensors of a file by name, of any program. */
export interface Dump {
  readonly name: string;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Where the file is a trace by llm-ts. */
  readonly origin?: TraceOrigin;
  read(name: string): Promise<Operand>;
}

const format = "llm-ts trace 1";

/** Writes a trace; the caller commits. */
export async function writeTrace(sink: ByteSink, { tensors, ...origin }: Trace): Promise<void> {
  await sink.write(makeSafetensorsHeader(tensors, "f32", { format, step: JSON.stringify(originOf(origin)) }));
  for (const tensor of tensors) {
    const { buffer, byteOffset, byteLength } = await tensor.read();
    await sink.write(new Uint8Array(buffer, byteOffset, byteLength));
  }
}

function originOf({ config, B, T, update }: TraceOrigin): TraceOrigin {
  return { config, B, T, update };
}

/** True if a file is a trace that llm-ts wrote. */
export async function isTrace(source: ByteSource): Promise<boolean> {
  return (await readSafetensorsHeader(source)).metadata.format === format;
}

/** Names, shapes and order of a trace, a tensor a line. */
export function traceJson(trace: Trace): string {
  const lines = trace.tensors.map(({ read, ...tensor }) => `    ${JSON.stringify(tensor)}`);
  const fields = Object.entries(originOf(trace)).map(([name, value]) => `  "${name}": ${JSON.stringify(value)},`);
  return `{\n${fields.join("\n")}\n  "tensors": [\n${lines.join(",\n")}\n  ]\n}\n`;
}

/** A computed trace as one to compare with. */
export function expectedOf(trace: Trace): ExpectedTrace {
  const byName = new Map(trace.tensors.map((tensor) => [tensor.name, tensor]));
  return {
    ...trace,
    async read(name) {
      const tensor = byName.get(name);
      if (!tensor) throw new RangeError(`the trace has no ${name}`);
      return { data: await tensor.read(), shape: tensor.shape };
    },
  };
}

/** Opens the tensors of a file; `source` stays open until the caller closes it. */
export async function openDump(source: ByteSource): Promise<Dump> {
  const { tensors, metadata } = await readSafetensorsHeader(source);
  for (const tensor of tensors.values()) requireReadable(source, tensor);
  return {
    name: source.name,
    shapes: new Map([...tensors.values()].map(({ name, shape }) => [name, shape])),
    ...(metadata.format === format && { origin: parseOrigin(source, metadata.step) }),
    async read(name) {
      const stored = tensors.get(name);
      if (!stored) throw new RangeError(`${source.name} has no ${name}`);
      return { data: numbersOf(await source.read(stored.offset, stored.bytes), stored.dtype), shape: stored.shape };
    },
  };
}

/** A file by `llm-ts trace` as one to compare with. */
export function expectedInFile(dump: Dump): ExpectedTrace {
  const { origin, name, shapes } = dump;
  if (!origin)
    throw new InputError(
      `${name} says nothing in its metadata about the step that it holds, so it is another program's, and --expected takes ` +
        "right values: llm-ts trace --model MODEL --data DATA --out trace.safetensors writes them. Or give the model by --model.",
    );
  const tensors = traceTensors(origin.config, origin.B, origin.T);
  const missing = tensors.find((tensor) => String(shapes.get(tensor.name)) !== String(tensor.shape));
  if (missing)
    throw new InputError(
      `${name}: the tensor "${missing.name}" is missing or has another shape than [${missing.shape}]. Write the trace again.`,
    );
  return { ...origin, tensors, read: (name) => dump.read(name) };
}

function parseOrigin(source: ByteSource, json = ""): TraceOrigin {
  try {
    const origin: TraceOrigin = JSON.parse(json);
    const problem = configProblem(origin.config);
    if (problem === undefined && origin.B >= 1 && origin.T >= 1 && origin.update.eps > 0) return origin;
  } catch {}
  throw new InputError(`${source.name}: its metadata do not say what the trace was made of. Write the trace again.`);
}

/** Integers by their safetensors names. */
const integers: Readonly<Record<string, (view: DataView, at: number) => number>> = {
  U8: (view, at) => view.getUint8(at),
  U16: (view, at) => view.getUint16(2 * at, true),
  I16: (view, at) => view.getInt16(2 * at, true),
  I32: (view, at) => view.getInt32(4 * at, true),
  U32: (view, at) => view.getUint32(4 * at, true),
  I64: (view, at) => Number(view.getBigInt64(8 * at, true)),
};
const bytesOf: Readonly<Record<string, number>> = { U8: 1, U16: 2, I16: 2, I32: 4, U32: 4, I64: 8, F64: 8 };

function requireReadable(source: ByteSource, { name, dtype }: StoredTensor): void {
  if (Object.hasOwn(bytesOf, dtype) || Object.hasOwn(weightDTypes, dtype)) return;
  throw new InputError(
    `${source.name}: tensor ${JSON.stringify(name)} is ${dtype}, expected one of ` +
      `${[...Object.keys(weightDTypes), ...Object.keys(bytesOf)].join(", ")}. Write it as F32 or F64.`,
  );
}

function numbersOf(bytes: Uint8Array, dtype: string): Float32Array | Float64Array {
  if (Object.hasOwn(weightDTypes, dtype)) {
    const kind = weightDTypes[dtype];
    return toFloat32(bytes.slice(0, bytes.length - (bytes.length % bytesPer[kind])), kind);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = dtype === "F64" ? (i: number) => view.getFloat64(8 * i, true) : (i: number) => integers[dtype](view, i);
  return Float64Array.from({ length: bytes.length / bytesOf[dtype] }, (_, i) => at(i));
}
