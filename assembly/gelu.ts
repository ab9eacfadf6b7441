// GELU (Hendrycks and Gimpel, 2016), x Phi(x), forward and backward, in the two forms that models are trained with.
import { erfBackward, erfForward } from "./gelu-erf";
import { tanhBackward, tanhForward } from "./gelu-tanh";
import { loadUpTo4, storeUpTo4 } from "./math";
import { LINE, shareStart } from "./split";

/** out may be inp. */
export function geluForward(part: i32, parts: i32, out: usize, inp: usize, n: i32): void {
  forward(part, parts, out, inp, n, false);
}

/** out may be inp. */
export function geluErfForward(part: i32, parts: i32, out: usize, inp: usize, n: i32): void {
  forward(part, parts, out, inp, n, true);
}

/** dinp may be dout. */
export function geluBackward(part: i32, parts: i32, dinp: usize, inp: usize, dout: usize, n: i32): void {
  backward(part, parts, dinp, inp, dout, n, false);
}

/** dinp may be dout. */
export function geluErfBackward(part: i32, parts: i32, dinp: usize, inp: usize, dout: usize, n: i32): void {
  backward(part, parts, dinp, inp, dout, n, true);
}

/** Two vectors at a time, which V8 can make one of 256 bits; `erf` is a constant where this is inlined. */
// @ts-ignore: AssemblyScript's decorator
@inline
function forward(part: i32, parts: i32, out: usize, inp: usize, n: i32, erf: bool): void {
  const start = shareStart(n, LINE, part, parts);
  const end = shareStart(n, LINE, part + 1, parts);
  let i = start;
  let at = <usize>start << 2;
  for (; i <= end - 8; i += 8, at += 32) {
    const y0 = gelu(v128.load(inp + at), erf);
    const y1 = gelu(v128.load(inp + at, 16), erf);
    v128.store(out + at, y0);
    v128.store(out + at, y1, 16);
  }
  for (; i < end; i += 4, at += 16) {
    const count = min(4, end - i);
    storeUpTo4(out + at, gelu(loadUpTo4(inp + at, count), erf), count);
  }
}

// @ts-ignore: AssemblyScript's decorator
@inline
function backward(part: i32, parts: i32, dinp: usize, inp: usize, dout: usize, n: i32, erf: bool): void {
  const start = shareStart(n, LINE, part, parts);
  const end = shareStart(n, LINE, part + 1, parts);
  let i = start;
  let at = <usize>start << 2;
  for (; i <= end - 8; i += 8, at += 32) {
    const d0 = dgelu(v128.load(inp + at), v128.load(dout + at), erf);
    const d1 = dgelu(v128.load(inp + at, 16), v128.load(dout + at, 16), erf);
    v128.store(dinp + at, d0);
    v128.store(dinp + at, d1, 16);
  }
  for (; i < end; i += 4, at += 16) {
    const count = min(4, end - i);
    storeUpTo4(dinp + at, dgelu(loadUpTo4(inp + at, count), loadUpTo4(dout + at, count), erf), count);
  }
}

// @ts-ignore: AssemblyScript's decorator
@inline
function gelu(x: v128, erf: bool): v128 {
  return erf ? erfForward(x) : tanhForward(x);
}

// @ts-ignore: AssemblyScript's decorator
@inline
function dgelu(x: v128, dout: v128, erf: bool): v128 {
  return erf ? erfBackward(x, dout) : tanhBackward(x, dout);
}
