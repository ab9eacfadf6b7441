import { expect, test } from "vitest";
import { InputError, LlmError, MemoryError } from "../../src/errors.ts";
import { revive } from "./revive.ts";

/** An error as comlink passes it on. */
const posted = (error: Error) =>
  Object.assign(new Error(error.message), { name: error.name, message: error.message, stack: error.stack });

test("LlmErrors get their class back, with message and stack", () => {
  const error = new MemoryError("This run needs 5.10 GB.");
  const revived = revive(posted(error));
  expect(revived).toBeInstanceOf(MemoryError);
  expect(revived).toMatchObject({ name: "MemoryError", message: error.message, stack: error.stack });
  expect(revive(posted(new InputError("too short")))).toBeInstanceOf(LlmError);
});

test("bugs and aborts are returned as they are", () => {
  const bug = posted(new TypeError("x is undefined"));
  const abort = posted(new DOMException("aborted", "AbortError"));
  for (const error of [bug, abort]) {
    expect(revive(error)).toBe(error);
    expect(revive(error)).not.toBeInstanceOf(LlmError);
  }
});
