import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSink } from "./node-files.ts";
import { lockFile } from "./node-lock.ts";
import { removeLeftovers, temporaryFor } from "./node-temporary.ts";

let folder = "";
let target = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-ts-temporary-"));
  target = join(folder, "train.bin");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A temporary's name as a process of that id and start time would have chosen it. */
function temporaryOf(pid: number, started: string): string {
  return temporaryFor(target).replace(/\.\d+-([0-9a-f]{8})-\d*\./, `.${pid}-$1-${started}.`);
}

const linux = process.platform === "linux";
const dayAgo = new Date(Date.now() - 25 * 3600 * 1000);

async function endedProcess(): Promise<number> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  return child.pid ?? 0;
}

test("what a process that is gone has left goes with the next writer of the same file", async () => {
  const left = temporaryOf(await endedProcess(), "1");
  const ofOther = left.replace("train.bin", "val.bin");
  for (const path of [left, ofOther]) writeFileSync(path, "");
  const sink = await createSink(target);
  expect(existsSync(left)).toBe(false);
  expect(existsSync(ofOther)).toBe(true);
  await sink.abort();
  expect(readdirSync(folder)).toEqual([basename(ofOther)]);
});

test("a folder that was being filled goes as well", async () => {
  const left = temporaryOf(await endedProcess(), "1");
  mkdirSync(left);
  writeFileSync(join(left, "config.json"), "");
  await removeLeftovers(target);
  expect(readdirSync(folder)).toEqual([]);
});

test.runIf(linux)("a process of the same id that started at another time is another one", async () => {
  writeFileSync(temporaryOf(process.pid, "1"), "");
  await removeLeftovers(target);
  expect(readdirSync(folder)).toEqual([]);
});

test("what a process that lives is writing stays, and other files", async () => {
  const names = [temporaryFor(target), join(folder, ".train.bin.notes.tmp"), join(folder, ".train.bin.swp")];
  for (const path of names) {
    writeFileSync(path, "");
    if (linux) utimesSync(path, dayAgo, dayAgo);
  }
  await removeLeftovers(target);
  expect(readdirSync(folder).sort()).toEqual(names.map((path) => basename(path)).sort());
});

test("a file of an unknown owner, or one on another machine, is abandoned after a day without a change", async () => {
  const elsewhere = temporaryFor(target).replace(/-[0-9a-f]{8}-/, "-00000000-");
  const older = join(folder, ".train.bin.0123abcd.tmp");
  for (const path of [elsewhere, older]) writeFileSync(path, "");
  await removeLeftovers(target);
  expect(readdirSync(folder)).toHaveLength(2);
  for (const path of [elsewhere, older]) utimesSync(path, dayAgo, dayAgo);
  await removeLeftovers(target);
  expect(readdirSync(folder)).toEqual([]);
});

test("taking a lock removes what was left of earlier attempts", async () => {
  const left = temporaryOf(await endedProcess(), "1").replace("train.bin", "run.lock");
  writeFileSync(left, "");
  const lock = await lockFile(join(folder, "run.lock"));
  expect(readdirSync(folder)).toEqual(["run.lock"]);
  await lock.release();
});
