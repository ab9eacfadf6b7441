import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { keepLines, linesOf } from "../runs/log.ts";
import { readItems } from "./items.ts";
import { TextSplitter } from "./text-splitter.ts";

/** Number of characters in the strings that are split or searched while `use` runs. */
async function searched(use: () => Promise<unknown>): Promise<number> {
  let count = 0;
  for (const name of ["split", "indexOf", "lastIndexOf", "search", "match", "matchAll", "replace"] as const) {
    const original = String.prototype[name] as (...given: unknown[]) => unknown;
    vi.spyOn(String.prototype, name).mockImplementation(function (this: string, ...given: unknown[]) {
      count += this.length;
      return original.apply(this, given);
    } as never);
  }
  try {
    await use();
  } finally {
    vi.restoreAllMocks();
  }
  return count;
}

test("parts are those of the whole text, wherever it is cut into pieces", () => {
  const text = "one\n\ntwo\nthree, longer than a piece\n";
  for (let size = 1; size <= text.length; size++) {
    const splitter = new TextSplitter("\n");
    const parts: string[] = [];
    for (let at = 0; at < text.length; at += size) parts.push(...splitter.push(text.slice(at, at + size)));
    expect([...parts, splitter.rest], `pieces of ${size}`).toEqual(text.split("\n"));
  }
});

test("a line that comes in many pieces is searched once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "llm-ts-lines-"));
  try {
    const path = join(folder, "long.jsonl");
    const long = JSON.stringify({ text: "so it goes ".repeat(400_000) });
    await writeFile(path, `{}\n${long}\n{"last":1}\n`);
    const lengths: number[] = [];
    const reading = await searched(async () => {
      for await (const { value } of readItems(path, [])) lengths.push(JSON.stringify(value).length);
    });
    expect(lengths).toEqual([2, long.length, 10]);
    // The byte order mark is looked for at the beginning, and each line is trimmed.
    expect(reading).toBeLessThan(3 * long.length);
    const lines: string[] = [];
    expect(
      await searched(async () => {
        for await (const some of linesOf(path)) lines.push(...some);
      }),
    ).toBeLessThan(2 * long.length);
    expect(lines).toEqual(["{}", long, '{"last":1}']);
    expect(await searched(() => keepLines(path, (line) => line !== "{}"))).toBeLessThan(2 * long.length);
    expect(await readFile(path, "utf8")).toBe(`${long}\n{"last":1}\n`);
  } finally {
    await rm(folder, { recursive: true });
  }
});
