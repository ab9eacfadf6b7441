// Division of an output into the parts of a command, which threads claim (src/backend/wasm/protocol.ts).

/**
 * First element of part `part` of `parts`, with `n` elements distributed in whole groups of `grain`. It ends where the
 * next one begins.
 */
// @ts-ignore: AssemblyScript's decorator
@inline
export function shareStart(n: i32, grain: i32, part: i32, parts: i32): i32 {
  const groups = (<i64>n + grain - 1) / grain;
  return <i32>min<i64>(n, (groups * part) / parts * grain);
}

/** One cache line of floats: two parts never write to the same one if tensors are aligned to it. */
export const LINE: i32 = 16;
