import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { lockFile, lockOwner } from "./node-lock.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-ts-lock-"));
  path = join(folder, "run.lock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (content: unknown) =>
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));

/** The id of a process that is gone. */
async function endedProcess(): Promise<number> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  return child.pid ?? 0;
}

test("a lock is held by one until it is released", async () => {
  const lock = await lockFile(path);
  expect(lock.takenFrom).toBeUndefined();
  expect(await lockOwner(path)).toMatchObject({ who: `process ${process.pid} on ${hostname()}` });
  const second = lockFile(path);
  await expect(second).rejects.toThrow(InputError);
  await expect(second).rejects.toThrow(`held by process ${process.pid} on ${hostname()}, since 2`);
  await lock.release();
  await lock.release();
  expect(readdirSync(folder)).toEqual([]);
  expect(await lockOwner(path)).toBeUndefined();
  await (await lockFile(path)).release();
});

test("a lock whose process is gone is taken over, and says from whom", async () => {
  const owner = { pid: await endedProcess(), host: hostname(), started: "2024-04-08T10:00:00.000Z" };
  write(owner);
  expect(await lockOwner(path)).toBeUndefined();
  const lock = await lockFile(path);
  expect(lock.takenFrom).toEqual({ who: `process ${owner.pid} on ${hostname()}`, started: owner.started });
  expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ pid: process.pid });
  await lock.release();
});

test.runIf(process.platform === "linux")(
  "a process of the same id that started at another time is another one",
  async () => {
    write({ pid: process.pid, host: hostname(), started: "2024-04-08T10:00:00.000Z", process: "another boot 123" });
    const lock = await lockFile(path);
    expect(lock.takenFrom?.who).toContain(`process ${process.pid} on`);
    await lock.release();
  },
);

test("a lock of another machine is not touched", async () => {
  write({ pid: 1, host: "elsewhere", started: "2024-04-08T10:00:00.000Z" });
  await expect(lockFile(path)).rejects.toThrow(/process 1 on elsewhere.*if it does not, remove .*run\.lock/);
  expect(await lockOwner(path)).toMatchObject({ who: "process 1 on elsewhere" });
});

test.each(["", "{", "[]", '{"pid":"x"}'])("a damaged lock is free: %j", async (content) => {
  write(content);
  await (await lockFile(path)).release();
  expect(readdirSync(folder)).toEqual([]);
});

test("of many that want a stale lock at once, one gets it", async () => {
  write({ pid: await endedProcess(), host: hostname(), started: "2024-04-08T10:00:00.000Z" });
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockFile(path)));
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(readdirSync(folder)).toEqual(["run.lock"]);
});
