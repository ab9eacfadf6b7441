import { expect, test } from "vitest";
import { Xorshift64 } from "./xorshift.ts";

test("the numbers of llm.c's random_u32, compiled with gcc, from its seed 1337", () => {
  const rng = new Xorshift64(1337);
  const numbers = [989205090, 818269915, 1335155955, 3876892996, 2941700015, 1322121497];
  expect(numbers.map(() => rng.randint32())).toEqual(numbers);
});

test("its floats have 24 bits, in [0, 1)", () => {
  const rng = new Xorshift64(1337);
  expect([rng.randfloat32(), rng.randfloat32(), rng.randfloat32()]).toEqual(
    [0.230317235, 0.19051826, 0.310865164].map(Math.fround),
  );
});

test("seeds of 64 bits", () => {
  const rng = new Xorshift64(0xdeadbeefcafebaben);
  const numbers = [2099861439, 637314667, 1873939892];
  expect(numbers.map(() => rng.randint32())).toEqual(numbers);
});

test("seed 0 does not stay zero for ever", () => {
  const rng = new Xorshift64(0);
  expect(rng.randint32()).not.toBe(rng.randint32());
});
