// Token and position embedding. Token ids must lie in wte: the caller checks.
import { widenBf16 } from "./bfloat16";
import { BLOCK, widenBlocks } from "./int8";
import { loadTail, storeTail } from "./math";
import { LINE, shareStart } from "./split";

/** to = a + b, or to += a when b is `to`: `count` floats. */
// @ts-ignore: AssemblyScript's decorator
@inline
function addRow(to: usize, a: usize, b: usize, count: i32): void {
  const stop = <usize>(count & ~3) << 2;
  let at: usize = 0;
  for (; at < stop; at += 16) v128.store(to + at, f32x4.add(v128.load(a + at), v128.load(b + at)));
  const rest = count & 3;
  if (rest) storeTail(to + at, f32x4.add(loadTail(a + at, rest), loadTail(b + at, rest)), rest);
}

/** Address of row `n` of a matrix of C columns. */
// @ts-ignore: AssemblyScript's decorator
@inline
function rowAt(matrix: usize, n: i32, C: i32): usize {
  return matrix + (<usize>n * <usize>C << 2);
}

/** out (B,T,C) = wte[tokens (B,T)] + wpe[past + t], or without wpe where its address is 0. Parts share the rows. */
export function embeddingForward(
  part: i32, parts: i32, out: usize, tokens: usize, wte: usize, wpe: usize, B: i32, T: i32, C: i32, past: i32,
): void {
  const start = shareStart(B * T, 1, part, parts);
  const end = shareStart(B * T, 1, part + 1, parts);
  if (!wpe) {
    for (let n = start; n < end; n++) {
      memory.copy(rowAt(out, n, C), rowAt(wte, load<i32>(tokens + (<usize>n << 2)), C), <usize>C << 2);
    }
    return;
  }
  for (let n = start; n < end; n++) {
    const token = load<i32>(tokens + (<usize>n << 2));
    addRow(rowAt(out, n, C), rowAt(wte, token, C), rowAt(wpe, past + n % T, C), C);
  }
}

/** The same with wte in bfloat16. */
export function embeddingForwardBf16(
  part: i32, parts: i32, out: usize, tokens: usize, wte: usize, wpe: usize, B: i32, T: i32, C: i32, past: i32,
): void {
  const end = shareStart(B * T, 1, part + 1, parts);
  for (let n = shareStart(B * T, 1, part, parts); n < end; n++) {
    const token = load<i32>(tokens + (<usize>n << 2));
    const to = rowAt(out, n, C);
    widenBf16(0, 1, to, wte + (<usize>token * <usize>C << 1), C);
    if (wpe) addRow(to, rowAt(wpe, past + n % T, C), to, C);
  }
}

/** The same with wte in int8. */
export function embeddingForwardInt8(
  part: i32, parts: i32, out: usize, tokens: usize, wte: usize, wpe: usize, B: i32, T: i32, C: i32, past: i32,
): void {
  const end = shareStart(B * T, 1, part + 1, parts);
  for (let n = shareStart(B * T, 1, part, parts); n < end; n++) {
    const token = load<i32>(tokens + (<usize>n << 2));
    const to = rowAt(out, n, C);
    widenBlocks(to, wte, token * (C / BLOCK), (token + 1) * (C / BLOCK));
    if (wpe) addRow(to, rowAt(wpe, past + n % T, C), to, C);
  }
}

/** dwte[tokens] += dout; dwpe[t] += dout, where there is one. Parts share the channels, so that each adds its rows in order. */
export function embeddingBackward(
  part: i32, parts: i32, dwte: usize, dwpe: usize, dout: usize, tokens: usize, B: i32, T: i32, C: i32,
): void {
  const start = shareStart(C, LINE, part, parts);
  const count = shareStart(C, LINE, part + 1, parts) - start;
  if (count == 0) return;
  const column = <usize>start << 2;
  if (!dwpe) {
    for (let n = 0; n < B * T; n++) {
      const toToken = rowAt(dwte, load<i32>(tokens + (<usize>n << 2)), C) + column;
      addRow(toToken, rowAt(dout, n, C) + column, toToken, count);
    }
    return;
  }
  for (let n = 0; n < B * T; n++) {
    const from = rowAt(dout, n, C) + column;
    const toToken = rowAt(dwte, load<i32>(tokens + (<usize>n << 2)), C) + column;
    const toPosition = rowAt(dwpe, n % T, C) + column;
    addRow(toToken, from, toToken, count);
    addRow(toPosition, from, toPosition, count);
  }
}
