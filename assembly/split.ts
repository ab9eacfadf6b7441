// Distribution of an output's elements to threads.

/**
 * First element of the share of `thread`, with `n` elements distributed in whole groups of `grain`. The share ends where
 * the next thread's begins.
 */
// @ts-ignore: AssemblyScript's decorator
@inline
export function shareStart(n: i32, grain: i32, thread: i32, threads: i32): i32 {
  const groups = (<i64>n + grain - 1) / grain;
  return <i32>min<i64>(n, (groups * thread) / threads * grain);
}

/** One cache line of floats: two threads never write to the same one if tensors are aligned to it. */
export const LINE: i32 = 16;
