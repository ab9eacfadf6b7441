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

/**
 * Eight vectors at a time: of two V8 can make one of 256 bits, and the constants, too many for the registers, are loaded once for
 * all. `erf` is a constant where this is inlined.
 */
// @ts-ignore: AssemblyScript's decorator
@inline
function forward(part: i32, parts: i32, out: usize, inp: usize, n: i32, erf: bool): void {
  const start = shareStart(n, LINE, part, parts);
  const end = shareStart(n, LINE, part + 1, parts);
  let i = start;
  let at = <usize>start << 2;
  for (; i <= end - 32; i += 32, at += 128) {
    const y0 = gelu(v128.load(inp + at), erf);
    const y1 = gelu(v128.load(inp + at, 16), erf);
    const y2 = gelu(v128.load(inp + at, 32), erf);
    const y3 = gelu(v128.load(inp + at, 48), erf);
    const y4 = gelu(v128.load(inp + at, 64), erf);
    const y5 = gelu(v128.load(inp + at, 80), erf);
    const y6 = gelu(v128.load(inp + at, 96), erf);
    const y7 = gelu(v128.load(inp + at, 112), erf);
    v128.store(out + at, y0);
    v128.store(out + at, y1, 16);
    v128.store(out + at, y2, 32);
    v128.store(out + at, y3, 48);
    v128.store(out + at, y4, 64);
    v128.store(out + at, y5, 80);
    v128.store(out + at, y6, 96);
    v128.store(out + at, y7, 112);
  }
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
  for (; i <= end - 32; i += 32, at += 128) {
    const d0 = dgelu(v128.load(inp + at), v128.load(dout + at), erf);
    const d1 = dgelu(v128.load(inp + at, 16), v128.load(dout + at, 16), erf);
    const d2 = dgelu(v128.load(inp + at, 32), v128.load(dout + at, 32), erf);
    const d3 = dgelu(v128.load(inp + at, 48), v128.load(dout + at, 48), erf);
    const d4 = dgelu(v128.load(inp + at, 64), v128.load(dout + at, 64), erf);
    const d5 = dgelu(v128.load(inp + at, 80), v128.load(dout + at, 80), erf);
    const d6 = dgelu(v128.load(inp + at, 96), v128.load(dout + at, 96), erf);
    const d7 = dgelu(v128.load(inp + at, 112), v128.load(dout + at, 112), erf);
    v128.store(dinp + at, d0);
    v128.store(dinp + at, d1, 16);
    v128.store(dinp + at, d2, 32);
    v128.store(dinp + at, d3, 48);
    v128.store(dinp + at, d4, 64);
    v128.store(dinp + at, d5, 80);
    v128.store(dinp + at, d6, 96);
    v128.store(dinp + at, d7, 112);
  }
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
