import { expect, test } from "vitest";
import { multiplesAround } from "./sizes.ts";

test("channels that heads can share are left alone", () => {
  expect(multiplesAround(128, 4)).toBeUndefined();
});

test("others have a multiple on either side, but 0 below", () => {
  expect(multiplesAround(130, 4)).toEqual({ below: 128, above: 132 });
  expect(multiplesAround(3, 4)).toEqual({ below: 0, above: 4 });
});
