import { expect, test } from "vitest";
import { splitmix64 } from "./splitmix.ts";

test("the numbers of the reference implementation (Vigna's splitmix64.c) from its seed 1234567", () => {
  const step = 0x9e3779b97f4a7c15n;
  const numbers = [6457827717110365317n, 3203168211198807973n, 9817491932198370423n, 4593380528125082431n];
  expect(numbers.map((_, i) => splitmix64(1234567n + BigInt(i) * step))).toEqual(numbers);
});
