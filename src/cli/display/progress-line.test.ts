import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ProgressLine } from "./progress-line.ts";

let written = "";

beforeEach(() => {
  written = "";
  vi.useFakeTimers();
  Object.defineProperty(process.stderr, "isTTY", { value: false, configurable: true });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    written += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  Reflect.deleteProperty(process.stderr, "isTTY");
});

/** The lines of work of a given duration, with a report after every hundredth. */
function linesOf(seconds: number): string[] {
  const line = new ProgressLine("working");
  for (let percent = 0; percent <= 100; percent++) {
    line.update(percent / 100);
    vi.advanceTimersByTime(10 * seconds);
  }
  return written.trimEnd().split("\n");
}

test("into a log, short work writes one line, long work one every ten seconds", () => {
  expect(linesOf(5)).toEqual(["working: 100%"]);
  written = "";
  expect(linesOf(60)).toHaveLength(6);
  expect(written).toMatch(/working: 100%\n$/);
});
