/** WGSL that several kernels share. */

/** Threads of a workgroup in kernels over rows: few enough that each can add up what all of them put down. */
export const ROW_THREADS = 64;

/** Threads of a workgroup in kernels over elements. */
export const THREADS = 256;

/** The index of this thread among those of all workgroups, which may fill two dimensions. */
export const index = (threads = THREADS) => `(group.y * groups.x + group.x) * ${threads}u + thread`;

/** The index of this workgroup among all. */
export const groupIndex = "group.y * groups.x + group.x";

/** True if x is infinite or NaN, by its bits: comparisons with either may be optimised away. */
export const notFinite = `fn notFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u; }`;

/**
 * total(thread, x), greatest(thread, x): the sum and the maximum of x over a workgroup's 64 threads, in a fixed order and
 * with one barrier: all threads read what all have put down. Two halves of `shared_` in turn make a second barrier needless.
 */
export const rowReductions = `var<workgroup> shared_: array<f32, ${2 * ROW_THREADS}>;
var<private> turn: u32;
fn put(thread: u32, x: f32) -> u32 {
  let at = (turn & 1u) * ${ROW_THREADS}u;
  turn++;
  shared_[at + thread] = x;
  workgroupBarrier();
  return at;
}
fn total(thread: u32, x: f32) -> f32 {
  let at = put(thread, x);
  var even = 0.0; var odd = 0.0;
  for (var i = 0u; i < ${ROW_THREADS}u; i += 2u) { even += shared_[at + i]; odd += shared_[at + i + 1u]; }
  return even + odd;
}
fn greatest(thread: u32, x: f32) -> f32 {
  let at = put(thread, x);
  var most = shared_[at];
  for (var i = 1u; i < ${ROW_THREADS}u; i++) { most = max(most, shared_[at + i]); }
  return most;
}`;

/** Lines of code, one for each of 0 … n-1. */
export function each(n: number, line: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => line(i)).join("\n");
}
