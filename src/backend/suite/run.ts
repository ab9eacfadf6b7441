/**
 * Runs cases on a backend. Guards around all tensors must not be overwritten, and operands that are only read must not
 * change.
 */
import { type Backend, type DType, elementBytes, type Tensor, view } from "../backend.ts";
import { BLOCK, GROUP } from "../int8.ts";
import { sizeOf } from "../shape.ts";
import type { Case, Operand } from "./cases.ts";

/** Value around tensors, exact in every type: seven bits, so that 127 is the code of an int8 block of it. */
const guard = 127 * 2 ** 10;

/** Contents of the tensors after a case, by name, and stray writes. */
export interface Results {
  readonly values: Readonly<Record<string, Float32Array>>;
  readonly strays: readonly string[];
}

/** Initial contents of an operand: different for each name, the same on every backend. */
function contentsOf(name: string, { holds }: Operand, size: number): Float32Array | Int32Array {
  let state = [...name].reduce((seed, letter) => 31 * seed + letter.charCodeAt(0), 7);
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  if (typeof holds === "object") {
    const { ids, from = 0 } = holds;
    return Int32Array.from({ length: size }, () => from + Math.floor(next() * (ids - from)));
  }
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

/** Several cases with one wait for the device. */
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
    // All enqueued before the first await, so that one failure rejects once.
    const reads = all.map(async ({ one, placed }) => {
      return resultsOf(one, placed, await Promise.all(placed.map(({ whole }) => be.read(asFloats(whole)))));
    });
    const [results] = await Promise.all([Promise.all(reads), ...writes]);
    return results;
  } finally {
    await Promise.all(tensors.map((tensor) => be.free(tensor)));
  }
}

/** Integers reinterpreted as floats, which is what `read` returns. */
const asFloats = (tensor: Tensor): Tensor => (tensor.dtype === "i32" ? { ...tensor, dtype: "f32" } : tensor);

function resultsOf(one: Case, placed: readonly Placed[], found: readonly Float32Array[]): Results {
  const part = (all: Float32Array, { offset, size }: Tensor) => all.subarray(offset, offset + size);
  return {
    values: Object.fromEntries(placed.map(({ name, tensor }, i) => [name, part(found[i], tensor)])),
    strays: placed.flatMap((each, i) => straysOf(one, each, found[i])),
  };
}

function place(be: Backend, name: string, operand: Operand): Placed {
  const dtype: DType = operand.as ?? (typeof operand.holds === "object" ? "i32" : "f32");
  const { alignment } = be.limits;
  // The smallest offset that the backend allows, of int8 in whole groups, so that no tensor is aligned better than required.
  const least = (alignment * (alignment > 64 ? 1 : 5)) / elementBytes[dtype];
  const [before, behind] = dtype === "int8" ? [GROUP * (alignment > 64 ? 16 : 1), BLOCK] : [least, 5];
  const shape = typeof operand.shape === "function" ? operand.shape(be) : operand.shape;
  const size = sizeOf(shape);
  const whole = be.alloc([size + before + behind], dtype);
  const data = (dtype === "i32" ? new Int32Array(whole.size) : new Float32Array(whole.size)).fill(guard);
  data.set(contentsOf(name, operand, size), before);
  return { name, whole, tensor: view(whole, before, shape), data };
}

function straysOf(one: Case, { name, tensor, data }: Placed, found: Float32Array): string[] {
  const [start, end] = [tensor.offset, tensor.offset + tensor.size];
  // Rounding changes what is written.
  const isRead =
    !(name in one.outputs) &&
    one.operands[name].holds !== "scratch" &&
    (tensor.dtype === "f32" || tensor.dtype === "i32");
  const written = new Float32Array(data.buffer);
  let [besides, inside] = [false, false];
  for (let i = 0; i < found.length; i++) {
    const differs = !Object.is(found[i], written[i]); // negative integers are NaN
    if (i < start || i >= end) besides ||= differs;
    else inside ||= isRead && differs;
  }
  return [
    ...(besides ? [`${one.name} writes beside ${name}`] : []),
    ...(inside ? [`${one.name} writes to ${name}`] : []),
  ];
}

/** From one bfloat16 to the next, relative to it: sums that differ in the last bit of f32 may be rounded apart. */
const bfloat16Step = 2 ** -7;

/** Operations with wrong results, and stray writes, by name. `least`: lower bound of the tolerance. */
export function problemsOf(one: Case, { values, strays }: Results, expected: Results, least = 0): string[] {
  const isClose = (name: string, found: number, wanted: number) => {
    const tolerance = Math.max(one.tolerance, least, one.operands[name].as === "bf16" ? bfloat16Step : 0);
    return Math.abs(found - wanted) <= tolerance * (1 + Math.abs(wanted));
  };
  const wrong = Object.entries(one.outputs).filter(
    ([name]) => !expected.values[name].every((wanted, i) => isClose(name, values[name][i], wanted)),
  );
  return [...new Set([...wrong.map(([, operation]) => operation), ...strays])];
}
