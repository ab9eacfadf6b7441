/** Buffers of the GPU, and kernels to run on them. */
import type { DeviceBuffer, Tensor } from "../backend.ts";
import type { KernelSource } from "./wgsl/source.ts";

/** Bytes between the parameters of two dispatches: the alignment of dynamic offsets that every adapter has. */
export const SLOT_BYTES = 256;

/** The memory of a tensor and its views. */
export class GpuBuffer implements DeviceBuffer {
  readonly owner: object;
  readonly memory: GPUBuffer;
  readonly bytes: number;
  /** Distinguishes buffers in the keys of caches. */
  readonly id: number;
  freed = false;

  constructor(owner: object, memory: GPUBuffer, bytes: number, id: number) {
    this.owner = owner;
    this.memory = memory;
    this.bytes = bytes;
    this.id = id;
  }
}

/** Workgroups in each dimension. */
export type Grid = readonly [x: number, y?: number, z?: number];

/** A kernel to run. */
export interface Dispatch {
  /** Names the source: the same key must always give the same one. */
  readonly key: string;
  readonly source: () => KernelSource;
  /** The operands, in the source's order. */
  readonly tensors: readonly Tensor[];
  /** The parameters, in the source's order. */
  readonly u32?: readonly number[];
  readonly f32?: readonly number[];
  readonly grid: Grid;
  /** Floating-point operations, or as many as take the time: submits are paced by them. */
  readonly flops: number;
}

/** The most workgroups in one dimension that every adapter has. */
const MOST_GROUPS = 65_535;

/** Workgroups for n rows, or for n elements of `perGroup` a group, in two dimensions where one holds too few. */
export function gridOf(n: number, perGroup = 1): Grid {
  const groups = Math.ceil(n / perGroup);
  const x = Math.min(groups, MOST_GROUPS);
  return [x, Math.ceil(groups / x)];
}

/** Consecutive parts of `count` rows, elements or batches, each of at most `most`, and of one at least. */
export function partsOf(count: number, most: number): { readonly first: number; readonly count: number }[] {
  const parts = [];
  const step = Math.max(1, most);
  for (let first = 0; first < count; first += step) parts.push({ first, count: Math.min(step, count - first) });
  return parts;
}

/** True if rows of a tensor can be read in vectors of four: `lengths` are the rows' own and their distances. */
export function inVectors({ offset }: Tensor, ...lengths: number[]): boolean {
  return offset % 4 === 0 && lengths.every((length) => length % 4 === 0);
}
