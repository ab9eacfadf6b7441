/**
 * Operands outside of the WebAssembly memory: copied into scratch memory before the kernels of an operation run, and back
 * after where they are written. All of that is enqueued, in order.
 */
import { elementBytes, type Tensor } from "../backend.ts";
import type { Access } from "../operands.ts";
import { ALIGNMENT } from "./allocator.ts";
import { groupBytes } from "./blocks.ts";
import type { Block, TensorMemory } from "./tensor-memory.ts";

/** Gives the tensor that an operation uses in place of an operand. */
export type Inside = (tensor: Tensor) => Tensor;

/** Runs `body`, which enqueues an operation, with its operands inside. `scratch` gives a block of so many bytes or more. */
export function withOperandsInside(
  memory: TensorMemory,
  operands: readonly Access[],
  scratch: (bytes: number) => Block,
  body: (inside: Inside) => void,
): void {
  const copies = copiesOf(operands.filter(({ tensor }) => memory.blockOf(tensor).isOutside));
  const bytes = copies.reduce((sum, { tensor }) => sum + spaceOf(tensor), 0);
  const buffer = scratch(bytes);
  const inside: Inside = (tensor) => {
    const copy = copies.find((copy) => isSame(copy.tensor, tensor));
    return copy ? { ...tensor, buffer, offset: copy.start / elementBytes[tensor.dtype] } : tensor;
  };
  for (const { tensor, reads } of copies)
    if (reads) memory.copy(memory.placeOf(tensor), memory.placeOf(inside(tensor)), bytesOf(tensor));
  body(inside);
  for (const { tensor, writes } of copies)
    if (writes) memory.copy(memory.placeOf(inside(tensor)), memory.placeOf(tensor), bytesOf(tensor));
}

/** An operand's copy begins at byte `start` of the scratch memory. */
interface Copy extends Access {
  readonly start: number;
}

/** One copy for each operand, and for one that is given twice. */
function copiesOf(operands: readonly Access[]): Copy[] {
  const copies: Copy[] = [];
  let start = 0;
  for (const { tensor, reads, writes } of operands) {
    const same = copies.findIndex((copy) => isSame(copy.tensor, tensor));
    if (same >= 0) {
      const copy = copies[same];
      copies[same] = { ...copy, reads: copy.reads || reads, writes: copy.writes || writes };
    } else {
      copies.push({ tensor, reads, writes, start });
      start += spaceOf(tensor);
    }
  }
  return copies;
}

function isSame(a: Tensor, b: Tensor): boolean {
  return a.buffer === b.buffer && a.offset === b.offset && a.size === b.size;
}

/** Bytes between copies: whole cache lines, and whole elements of every type, of int8 too. */
const GRAIN = 17 * ALIGNMENT;

function spaceOf(tensor: Tensor): number {
  return Math.ceil(bytesOf(tensor) / GRAIN) * GRAIN;
}

function bytesOf({ dtype, size }: Tensor): number {
  return dtype === "int8" ? groupBytes(size) : elementBytes[dtype] * size;
}
