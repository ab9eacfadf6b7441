// The bias gradient of the matmul layer. Its matmuls are gemm.ts's and few-rows.ts's.
import { loadUpTo4, storeUpTo4 } from "./math";

/** out (OC) (+)= the sum of the rows of inp (N, OC), in order; each part its own columns, 16 side by side. */
export function sumRows(part: i32, parts: i32, out: usize, inp: usize, N: i32, OC: i32, accumulate: i32): void {
  const groups = (OC + 15) / 16;
  const first = groups * part / parts * 16;
  const end = min(OC, groups * (part + 1) / parts * 16);
  const stride = <usize>OC << 2;
  let j = first;
  for (; j + 16 <= end; j += 16) {
    const to = out + (<usize>j << 2);
    let from = inp + (<usize>j << 2);
    let s0 = accumulate ? v128.load(to) : f32x4.splat(0);
    let s1 = accumulate ? v128.load(to, 16) : f32x4.splat(0);
    let s2 = accumulate ? v128.load(to, 32) : f32x4.splat(0);
    let s3 = accumulate ? v128.load(to, 48) : f32x4.splat(0);
    for (let n = 0; n < N; n++) {
      s0 = f32x4.add(s0, v128.load(from));
      s1 = f32x4.add(s1, v128.load(from, 16));
      s2 = f32x4.add(s2, v128.load(from, 32));
      s3 = f32x4.add(s3, v128.load(from, 48));
      from += stride;
    }
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
  }
  for (; j < end; j += 4) {
    const count = min(4, end - j);
    const to = out + (<usize>j << 2);
    let from = inp + (<usize>j << 2);
    let sum = accumulate ? loadUpTo4(to, count) : f32x4.splat(0);
    for (let n = 0; n < N; n++) {
      sum = f32x4.add(sum, loadUpTo4(from, count));
      from += stride;
    }
    storeUpTo4(to, sum, count);
  }
}
