import { expect, test } from "vitest";
import { InputError } from "../../src/errors.ts";
import { attempt, dismiss, failures } from "./failures.ts";

const fail = (error: Error) => () => Promise.reject(error);

test("what works leaves nothing behind, and clears what failed there before", async () => {
  await attempt("data", fail(new InputError("The file is empty.")));
  expect(failures.value.data).toEqual({ message: "The file is empty.", isBug: false });
  expect(await attempt("data", async () => 3)).toBe(3);
  expect(failures.value).toEqual({});
});

test("what is no error for people is a bug", async () => {
  await attempt("run", fail(new TypeError("x is undefined")));
  expect(failures.value.run).toEqual({ message: "x is undefined", isBug: true });
  await attempt("data", async () => {});
  expect(failures.value.run).toBeDefined();
  dismiss("run");
  expect(failures.value).toEqual({});
});

test("being called off is no failure", async () => {
  expect(await attempt("write", fail(new DOMException("called off", "AbortError")))).toBeUndefined();
  expect(failures.value).toEqual({});
});
