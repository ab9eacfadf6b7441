import { expect, test } from "vitest";
import { logFloat, sinCosFloat } from "./float-math.ts";

/** Floats from 2^-24 to 1, as uniform random numbers have them. */
function* uniforms(count: number): Generator<number> {
  for (let i = 1; i <= count; i++) yield Math.ceil((2 ** 24 * i) / count) / 2 ** 24;
}

const out = { sine: 0, cosine: 0 };

test("the logarithm is right to about a float's last bit", () => {
  for (const x of uniforms(20_000)) {
    const expected = Math.log(x);
    expect(Math.abs(logFloat(x) - expected)).toBeLessThanOrEqual(1.2e-7 * Math.abs(expected) + 1e-12);
  }
  for (const x of [2 ** -24, 2 ** -126, 1, 2, Math.fround(1e30)]) expect(logFloat(x)).toBeCloseTo(Math.log(x), 5);
  expect(logFloat(1)).toBe(0);
});

test("sine and cosine of a whole turn, too", () => {
  for (const x of uniforms(20_000)) {
    const angle = Math.fround(2 * Math.PI * x);
    sinCosFloat(angle, out);
    expect(Math.abs(out.sine - Math.sin(angle))).toBeLessThan(1e-7);
    expect(Math.abs(out.cosine - Math.cos(angle))).toBeLessThan(1e-7);
  }
  sinCosFloat(0, out);
  expect(out).toEqual({ sine: 0, cosine: 1 });
});
