import { expect, test } from "vitest";
import { InputError } from "../../src/errors.ts";
import { attempt, dismiss, failures } from "./failures.ts";

const fail = (error: Error) => () => Promise.reject(error);

test("success clears an earlier failure at the same place", async () => {
  await attempt("data", fail(new InputError("The file is empty.")));
  expect(failures.value.data).toEqual({ message: "The file is empty.", isBug: false });
  expect(await attempt("data", async () => 3)).toBe(3);
  expect(failures.value).toEqual({});
});

test("an error that is no LlmError is a bug", async () => {
  await attempt("run", fail(new TypeError("x is undefined")));
  expect(failures.value.run).toEqual({ message: "x is undefined", isBug: true });
  await attempt("data", async () => {});
  expect(failures.value.run).toBeDefined();
  dismiss("run");
  expect(failures.value).toEqual({});
});

test("being aborted is no failure", async () => {
  expect(await attempt("write", fail(new DOMException("aborted", "AbortError")))).toBeUndefined();
  expect(failures.value).toEqual({});
});
