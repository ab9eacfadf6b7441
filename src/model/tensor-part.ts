import { type Backend, elementBytes, type Tensor, type Usage, view } from "../backend/backend.ts";
import type { TensorName } from "./parameters.ts";

/** One of several processes that each hold a part of something: 0 … size - 1. */
export interface Share {
  readonly rank: number;
  readonly size: number;
}

/** A set of tensors in blocks: a `TensorSet`. */
interface Whole {
  readonly blocks: readonly Tensor[];
  cut(name: TensorName, start: number, length: number): Iterable<readonly [from: number, piece: Tensor]>;
}

/** Elements of a cache line: parts begin at multiples, so that threads and vectors divide them as they divide the whole. */
const LINE = 16;

/**
 * Where the parts of `elements` begin, one for each of `processes`, and where the last one ends: nearly equal, in rank order. Where
 * there are too few elements, the last parts are empty.
 */
function partBounds(elements: number, processes: number, alignment: number): number[] {
  const unit = Math.max(LINE, alignment / elementBytes.f32);
  const each = unit * Math.ceil(elements / processes / unit);
  return Array.from({ length: processes + 1 }, (_, rank) => Math.min(elements, rank * each));
}

/** The part of a block that a process holds. */
export interface HeldPart {
  /** Its first element in the block. */
  readonly start: number;
  /** Null where the block is too small for a part of this process. */
  readonly tensor: Tensor | null;
  /** The parts of all processes in the block, as `partBounds` gives them. */
  readonly bounds: readonly number[];
}

/** A contiguous part of each block of a set: what one of several processes holds of it (ZeRO). Zero at first. */
export class TensorPart {
  /** In the order of the set's blocks. */
  readonly entries: readonly HeldPart[];
  readonly #whole: Whole;

  /** Allocates the part of `share` of a set that is cut like `whole`. */
  constructor(at: Pick<Backend, "alloc" | "limits">, whole: Whole, { rank, size }: Share, usage: Usage) {
    this.#whole = whole;
    this.entries = whole.blocks.map((block) => {
      const bounds = partBounds(block.size, size, at.limits.alignment);
      const [start, end] = [bounds[rank], bounds[rank + 1]];
      return { start, bounds, tensor: end > start ? at.alloc([end - start], "f32", usage) : null };
    });
  }

  /** The pieces in which blocks hold `length` elements of a tensor of the set from `start` on, as `TensorSet.read` counts them. */
  *pieces(name: TensorName, start: number, length: number): Generator<Piece> {
    const { blocks } = this.#whole;
    for (const [from, piece] of this.#whole.cut(name, start, length)) {
      const index = blocks.findIndex(({ buffer }) => buffer === piece.buffer);
      const first = piece.offset - blocks[index].offset;
      const { start: begin, tensor, bounds } = this.entries[index];
      const end = begin + (tensor?.size ?? 0);
      const [low, high] = [first, first + piece.size].map((at) => Math.min(end, Math.max(begin, at)));
      yield {
        from,
        length: piece.size,
        bounds: bounds.map((at) => Math.min(piece.size, Math.max(0, at - first))),
        held: tensor && high > low ? view(tensor, low - begin, [high - low]) : null,
        heldFrom: low - first,
      };
    }
  }
}

/** A piece of a block, of which each process holds a part. */
export interface Piece {
  /** Elements that were asked for and come before it. */
  readonly from: number;
  readonly length: number;
  /** The parts of all processes in it. */
  readonly bounds: readonly number[];
  /** What this process holds of it, and from which element of the piece on. */
  readonly held: Tensor | null;
  readonly heldFrom: number;
}
