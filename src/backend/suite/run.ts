/**
 * Runs cases on a backend. All tensors stand between guards, which nothing may overwrite, and operands that are only read
 * must stay as they are.
 */
import { type Backend, type DType, elementBytes, sizeOf, type Tensor, view } from "../backend.ts";
import type { Case, Operand } from "./cases.ts";

/** What stands around tensors. A power of two, which every type holds as it is. */
const guard = 2 ** 17;

/** Contents of a case's tensors afterwards, by name, and what was written where nothing may be. */
export interface Results {
  readonly values: Readonly<Record<string, Float32Array>>;
  readonly strays: readonly string[];
}

/** Initial contents of an operand: other numbers for each name, the same in every backend. */
function contentsOf(name: string, { holds }: Operand, size: number): Float32Array | Int32Array {
  let state = [...name].reduce((seed, letter) => 31 * seed + letter.charCodeAt(0), 7);
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  if (typeof holds === "object") return Int32Array.from({ length: size }, () => Math.floor(next() * holds.ids));
  if (holds === "numbers") return Float32Array.from({ length: size }, () => next() * 2 - 1);
  return new Float32Array(size).fill(holds === "junk" ? 99 : 0);
}

interface Placed {
  readonly name: string;
  readonly whole: Tensor;
  readonly tensor: Tensor;
  readonly data: Float32Array | Int32Array;
}

export async function runCase(be: Backend, one: Case): Promise<Results> {
  const [results] = await runCases(be, [one]);
  return results;
}

/** The same of several cases together: a device is waited for once. */
export async function runCases(be: Backend, cases: readonly Case[]): Promise<Results[]> {
  const all = cases.map((one) => ({
    one,
    placed: Object.entries(one.operands).map(([name, operand]) => place(be, name, operand)),
  }));
  const tensors = all.flatMap(({ placed }) => placed.map(({ whole }) => whole));
  try {
    const writes = all.flatMap(({ placed }) => placed.map(({ whole, data }) => be.write(whole, data)));
    for (const { one, placed } of all)
      one.run(be, Object.fromEntries(placed.map(({ name, tensor }) => [name, tensor])));
    // Enqueued before anything is awaited, so that one failure rejects once.
    const reads = all.map(async ({ one, placed }) => {
      return resultsOf(one, placed, await Promise.all(placed.map(({ whole }) => be.read(asFloats(whole)))));
    });
    const [results] = await Promise.all([Promise.all(reads), ...writes]);
    return results;
  } finally {
    await Promise.all(tensors.map((tensor) => be.free(tensor)));
  }
}

/** Whole numbers, bit by bit, as floats: a read gives floats alone. */
const asFloats = (tensor: Tensor): Tensor => (tensor.dtype === "i32" ? { ...tensor, dtype: "f32" } : tensor);

function resultsOf(one: Case, placed: readonly Placed[], found: readonly Float32Array[]): Results {
  const part = (all: Float32Array, { offset, size }: Tensor) => all.subarray(offset, offset + size);
  return {
    values: Object.fromEntries(placed.map(({ name, tensor }, i) => [name, part(found[i], tensor)])),
    strays: placed.flatMap((each, i) => straysOf(one, each, found[i])),
  };
}

function place(be: Backend, name: string, operand: Operand): Placed {
  const dtype: DType = operand.bf16 ? "bf16" : typeof operand.holds === "object" ? "i32" : "f32";
  const { alignment } = be.limits;
  // The least that a backend allows, so that a tensor's address is divisible by no more.
  const before = (alignment * (alignment > 64 ? 1 : 5)) / elementBytes[dtype];
  const shape = typeof operand.shape === "function" ? operand.shape(be) : operand.shape;
  const size = sizeOf(shape);
  const whole = be.alloc([size + before + 5], dtype);
  const data = (dtype === "i32" ? new Int32Array(whole.size) : new Float32Array(whole.size)).fill(guard);
  data.set(contentsOf(name, operand, size), before);
  return { name, whole, tensor: view(whole, before, shape), data };
}

function straysOf(one: Case, { name, tensor, data }: Placed, found: Float32Array): string[] {
  const [start, end] = [tensor.offset, tensor.offset + tensor.size];
  // What was rounded to bfloat16 is not what was written.
  const isRead = !(name in one.outputs) && one.operands[name].holds !== "scratch" && tensor.dtype !== "bf16";
  const written = new Float32Array(data.buffer);
  let [besides, inside] = [false, false];
  for (let i = 0; i < found.length; i++) {
    if (i < start || i >= end) besides ||= found[i] !== written[i];
    else inside ||= isRead && found[i] !== written[i];
  }
  return [
    ...(besides ? [`${one.name} writes beside ${name}`] : []),
    ...(inside ? [`${one.name} writes to ${name}`] : []),
  ];
}

/** What is wrong with a case's results: operations by name, and stray writes. `least`: the smallest tolerance to ask for. */
export function problemsOf(one: Case, { values, strays }: Results, expected: Results, least = 0): string[] {
  const tolerance = Math.max(one.tolerance, least);
  const isClose = (found: number, wanted: number) => Math.abs(found - wanted) <= tolerance * (1 + Math.abs(wanted));
  const wrong = Object.entries(one.outputs).filter(
    ([name]) => !expected.values[name].every((wanted, i) => isClose(values[name][i], wanted)),
  );
  return [...new Set([...wrong.map(([, operation]) => operation), ...strays])];
}
