import { expect, test } from "vitest";
import { type FileDType, fromFloat32, toFloat32, toUint16 } from "./numbers.ts";

const all = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
const bytesOf = (halves: Uint16Array) => new Uint8Array(halves.buffer);
const round = (values: readonly number[], dtype: FileDType) => [
  ...toUint16(fromFloat32(Float32Array.from(values), dtype)),
];

test.each(["f16", "bf16"] as const)("every %s comes back from float32, NaN with its payload", (dtype) => {
  expect(toUint16(fromFloat32(toFloat32(bytesOf(all), dtype), dtype))).toEqual(all);
});

test("the values of half floats are IEEE 754's", () => {
  const values = toFloat32(bytesOf(all), "f16");
  for (const [half, value] of [
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
  ])
    expect(values[half], `0x${half.toString(16)}`).toBe(value);
});

// Float32 holds every midpoint of two neighbours, and numbers a little to its left and right.
test.each([
  ["f16", 0x7bff],
  ["bf16", 0x7f7f],
] as const)("%s: midpoints go to the even neighbour, what lies beside them to the nearer one", (dtype, largest) => {
  const values = toFloat32(bytesOf(all), dtype);
  const low = [...all.subarray(0, largest)];
  const between = (part: number) => low.map((half) => values[half] + part * (values[half + 1] - values[half]));
  const even = low.map((half) => half + (half % 2));
  expect(round(between(0.5), dtype)).toEqual(even);
  expect(
    round(
      between(0.5).map((x) => -x),
      dtype,
    ),
  ).toEqual(even.map((half) => half | 0x8000));
  expect(round(between(0.49), dtype)).toEqual(low);
  expect(round(between(0.51), dtype)).toEqual(low.map((half) => half + 1));
});

test("what is too large becomes infinity, what is too small zero, and NaN never infinity", () => {
  expect(round([65519.996, 65520, 1e30, -1e30, 2 ** -25, 2 ** -25 * 1.001, -1e-30, 1e-40], "f16")).toEqual([
    0x7bff, 0x7c00, 0x7c00, 0xfc00, 0, 1, 0x8000, 0,
  ]);
  const nan = new Float32Array(Uint32Array.of(0x7f800001, 0xffc00000, 0x7fffffff).buffer);
  expect([...toUint16(fromFloat32(nan, "f16"))]).toEqual([0x7e00, 0xfe00, 0x7fff]);
  expect([...toUint16(fromFloat32(nan, "bf16"))]).toEqual([0x7fc0, 0xffc0, 0x7fff]);
  expect(round([3.4e38], "bf16")).toEqual([0x7f80]);
});
