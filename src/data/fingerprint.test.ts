import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { differences, fingerprint, fingerprints } from "./fingerprint.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-ts-fingerprint-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test("a file's size and sha256, whole for one that is not huge", async () => {
  for (const size of [0, 1, 1 << 20, (1 << 20) + 1, 5_000_000]) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * i) >>> 3);
    const path = write("a", bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    expect(await fingerprint(path)).toEqual({ path, bytes: size, sha256 });
  }
});

test("a huge file is identified by its size, its ends and pieces between them", async () => {
  const path = write("huge", "start");
  truncateSync(path, 300e6);
  const before = await fingerprint(path);
  expect(await fingerprint(path)).toEqual(before);
  write("huge", "other");
  truncateSync(path, 300e6);
  expect((await fingerprint(path)).sha256).not.toBe(before.sha256);
});

test("what is gone, new or changed is said file by file; moved files are the same", async () => {
  const [a, b, c] = [write("a", "one"), write("b", "two"), write("c", "three")];
  const before = await fingerprints([a, b, c]);
  expect(differences(before, before)).toEqual([]);
  expect(differences(before, await fingerprints([a, c]))).toEqual([`${b} is gone`]);
  expect(differences(before.slice(1), before)).toEqual([`${a} is new`]);
  const moved = await fingerprints([write("x", "one"), write("y", "two"), write("z", "three")]);
  expect(differences(before, moved)).toEqual([]);
  expect(differences(before, [moved[1], moved[0], moved[2]])).toHaveLength(2);
  write("b", "tww");
  write("c", "four");
  expect(differences(before, await fingerprints([a, b, c]))).toEqual([
    expect.stringMatching(/b has other content than .*b had \(sha256 [0-9a-f]{12}…, was [0-9a-f]{12}…\)$/),
    `${c} has 4 bytes, and ${c} had 5`,
  ]);
});
