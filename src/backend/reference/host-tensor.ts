import { sizeOf } from "../shape.ts";

/** A tensor of the reference backend: its elements, row-major, and their shape. */
export interface HostTensor {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
  readonly size: number;
}

export function hostTensor(data: Float32Array | Int32Array, shape: readonly number[]): HostTensor {
  return { data, shape, size: sizeOf(shape) };
}
