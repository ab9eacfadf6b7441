/**
 * int8 as kernels read it (assembly/int8.ts): groups of eight blocks, in which the scales of all stand first, 16 bits each, then
 * two codes of each block in turn. A scale is a half float and not negative, so that its bits as a float, without the 13 zeros
 * of its fraction and counted from an exponent below the smallest half float's, fit 16 bits: widening it is a shift and an
 * addition. Zero becomes that exponent, which codes of 0 make zero again.
 */
import { BackendError, UsageError } from "../../errors.ts";
import type { Tensor } from "../backend.ts";
import { BLOCK, dequantize, GROUP, quantize } from "../int8.ts";

const BLOCKS = GROUP / BLOCK;
const SCALE_BYTES = 2 * BLOCKS;
const GROUP_BYTES = SCALE_BYTES + GROUP;

const FRACTION_ZEROS = 13;
/** 2^-25, as assembly/int8.ts has it. */
const LEAST = 102 << 23;

/** UsageError for a part of an int8 tensor that is not whole blocks. */
export function requireBlocks({ dtype, offset }: Tensor, length: number): void {
  if (dtype !== "int8" || (offset % BLOCK === 0 && length % BLOCK === 0)) return;
  throw new UsageError(
    `int8 is read and written in blocks of ${BLOCK} elements, not ${length} from element ${offset} on. Take whole blocks.`,
  );
}

/** BackendError for an int8 operand that begins within a group. */
export function requireGroup({ dtype, offset }: Tensor): void {
  if (dtype !== "int8" || offset % GROUP === 0) return;
  throw new BackendError(`An int8 operand begins at a multiple of ${GROUP} elements, not at element ${offset}.`);
}

/** Bytes of the groups that hold so many elements. */
export function groupBytes(elements: number): number {
  return Math.ceil(elements / GROUP) * GROUP_BYTES;
}

/** Writes numbers into groups, from element `start` on. InputError for one that blocks cannot hold. */
export function writeBlocks(groups: Uint8Array, start: number, values: Float32Array): void {
  const { codes, scales } = quantize(values, "A matrix");
  const scaleBits = new Uint32Array(scales.buffer);
  for (let b = 0; b < scales.length; b++) {
    const { scaleAt, codesAt } = placesOf(start / BLOCK + b);
    const scale = Math.max(0, (scaleBits[b] - LEAST) >> FRACTION_ZEROS);
    groups[scaleAt] = scale;
    groups[scaleAt + 1] = scale >> 8;
    for (let i = 0; i < BLOCK; i++) groups[codeAt(codesAt, i)] = codes[b * BLOCK + i];
  }
}

/** `length` numbers that groups hold from element `start` on. */
export function readBlocks(groups: Uint8Array, start: number, length: number): Float32Array {
  const codes = new Int8Array(length);
  const scaleBits = new Uint32Array(length / BLOCK);
  for (let b = 0; b < scaleBits.length; b++) {
    const { scaleAt, codesAt } = placesOf(start / BLOCK + b);
    scaleBits[b] = ((groups[scaleAt] | (groups[scaleAt + 1] << 8)) << FRACTION_ZEROS) + LEAST;
    for (let i = 0; i < BLOCK; i++) codes[b * BLOCK + i] = groups[codeAt(codesAt, i)];
  }
  return dequantize({ codes, scales: new Float32Array(scaleBits.buffer) });
}

/** Bytes at which a block's scale and its first code are. */
function placesOf(block: number): { readonly scaleAt: number; readonly codesAt: number } {
  const group = Math.floor(block / BLOCKS) * GROUP_BYTES;
  const lane = 2 * (block % BLOCKS);
  return { scaleAt: group + lane, codesAt: group + SCALE_BYTES + lane };
}

/** The byte of code i of a block: two lie side by side, the next two behind those of the seven other blocks. */
function codeAt(codesAt: number, i: number): number {
  return codesAt + 2 * BLOCKS * (i >> 1) + (i & 1);
}
