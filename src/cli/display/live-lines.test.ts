import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveLines } from "./live-lines.ts";

/** Standard output and standard error interleaved, as on a terminal. */
let written = "";
let columns: number;

beforeEach(() => {
  vi.useFakeTimers();
  written = "";
  columns = 20;
  Object.defineProperty(process.stderr, "columns", { get: () => columns, configurable: true });
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, "write").mockImplementation((text) => {
      written += text;
      return true;
    });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  Reflect.deleteProperty(process.stderr, "columns");
});

/** Output since the last call. */
function since(): string {
  const text = written;
  written = "";
  return text;
}

test("lines are drawn in place, and only when something changed", () => {
  let count = 0;
  const live = new LiveLines((width) => ["a".repeat(width), `${count}`]);
  live.show();
  expect(since()).toBe(`\x1b[?25l\r${"a".repeat(19)}\x1b[K\n0\x1b[K\x1b[J`);
  vi.advanceTimersByTime(1000);
  expect(since()).toBe("");
  count = 1;
  vi.advanceTimersByTime(200);
  expect(since()).toBe(`\r\x1b[1A${"a".repeat(19)}\x1b[K\n1\x1b[K\x1b[J`);
  live.hide();
  expect(since()).toBe("\r\x1b[1A\x1b[J\x1b[?25h");
  live.hide();
  vi.advanceTimersByTime(1000);
  expect(since()).toBe("");
});

test("text that stays is printed above them", () => {
  const live = new LiveLines(() => ["x", "y"]);
  live.print("before");
  expect(since()).toBe("before\n");
  live.show();
  since();
  live.print("between");
  expect(since()).toBe("\r\x1b[1A\x1b[Jbetween\n\rx\x1b[K\ny\x1b[K\x1b[J");
  live.hide();
});

test("a terminal made narrower has wrapped the lines: all their rows are taken back at once", () => {
  const live = new LiveLines((width) => ["\x1b[36m━\x1b[39m".repeat(width), "b"]);
  live.show();
  since();
  columns = 8;
  process.stderr.emit("resize");
  // Nineteen characters in eight columns are three rows, and "b" is the fourth.
  expect(since().slice(0, 5)).toBe("\r\x1b[3A");
  live.hide();
});
