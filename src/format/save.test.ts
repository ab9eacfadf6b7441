import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { saveHashed } from "./save.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-ts-save-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a file is hashed as it is written", async () => {
  const path = join(folder, "a.bin");
  const found = await saveHashed(path, async (out) => {
    expect(out.name).toBe(path);
    for (const text of ["one", "", "two"]) await out.write(new TextEncoder().encode(text));
  });
  expect(readFileSync(path, "utf8")).toBe("onetwo");
  expect(found).toEqual({ bytes: 6, sha256: createHash("sha256").update("onetwo").digest("hex") });
});

test("what fails on its way leaves the file that was there", async () => {
  const path = join(folder, "a.bin");
  writeFileSync(path, "before");
  const failing = saveHashed(path, async (out) => {
    await out.write(new Uint8Array(1000));
    throw new Error("no more");
  });
  await expect(failing).rejects.toThrow("no more");
  expect(readFileSync(path, "utf8")).toBe("before");
  expect(readdirSync(folder)).toEqual(["a.bin"]);
});
