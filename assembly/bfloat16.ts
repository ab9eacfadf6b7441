// bfloat16: the upper half of a float32, so widening one is moving it up. Weights only; all arithmetic is in float32.
import { LINE, shareStart } from "./split";
import { storeUpTo4 } from "./math";

/** The first four of eight bfloat16, as floats: each behind 16 zero bits. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function widenLow(halves: v128): v128 {
  return v128.shuffle<i16>(i32x4.splat(0), halves, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** The last four. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function widenHigh(halves: v128): v128 {
  return v128.shuffle<i16>(i32x4.splat(0), halves, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** `count` (1 to 4) bfloat16 at `ptr`, the other lanes 0. Reads nothing beyond them. */
export function widenUpTo4(ptr: usize, count: i32): v128 {
  let bits = i32x4.splat(<i32>load<u16>(ptr));
  bits = i32x4.replace_lane(bits, 1, count > 1 ? <i32>load<u16>(ptr, 2) : 0);
  bits = i32x4.replace_lane(bits, 2, count > 2 ? <i32>load<u16>(ptr, 4) : 0);
  bits = i32x4.replace_lane(bits, 3, count > 3 ? <i32>load<u16>(ptr, 6) : 0);
  return i32x4.shl(bits, 16);
}

/** to (n) floats = from (n) bfloat16. */
export function widenBf16(part: i32, parts: i32, to: usize, from: usize, n: i32): void {
  let i = shareStart(n, LINE, part, parts);
  const end = shareStart(n, LINE, part + 1, parts);
  for (; i + 8 <= end; i += 8) {
    const halves = v128.load(from + (<usize>i << 1));
    v128.store(to + (<usize>i << 2), widenLow(halves));
    v128.store(to + (<usize>i << 2), widenHigh(halves), 16);
  }
  for (; i < end; i += 4) {
    const count = min(4, end - i);
    storeUpTo4(to + (<usize>i << 2), widenUpTo4(from + (<usize>i << 1), count), count);
  }
}
