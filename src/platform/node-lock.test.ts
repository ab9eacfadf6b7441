import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { InputError, LlmError } from "../errors.ts";
import { lockFile, lockOwner } from "./node-lock.ts";

/** Faults that a test injects: before a file is renamed, or instead of a hard link. */
const disk: { beforeRename?: () => void; linkError?: string } = {};
vi.mock("node:fs/promises", async (original) => {
  const module = await original<typeof import("node:fs/promises")>();
  const rename: typeof module.rename = async (from, to) => {
    disk.beforeRename?.();
    await module.rename(from, to);
  };
  const link: typeof module.link = async (from, to) => {
    if (disk.linkError) throw Object.assign(new Error(disk.linkError), { code: disk.linkError });
    await module.link(from, to);
  };
  return { ...module, rename, link };
});
afterEach(() => {
  disk.beforeRename = disk.linkError = undefined;
});

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

test("of many processes that take a stale lock at once, one gets it", async () => {
  write({ pid: await endedProcess(), host: hostname(), started: "2024-04-08T10:00:00.000Z" });
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockFile(path)));
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(readdirSync(folder)).toEqual(["run.lock"]);
});

describe.each([undefined, "EPERM"])("where hard links fail with %s", (linkError) => {
  const living = { pid: process.ppid, host: hostname(), started: "2024-04-08T10:00:00.000Z" };

  test("a lock that another process has just taken over stays its own", async () => {
    write({ ...living, pid: await endedProcess() });
    disk.linkError = linkError;
    disk.beforeRename = () => write(living);
    await expect(lockFile(path)).rejects.toThrow(`is held by process ${living.pid}`);
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(living);
    expect(readdirSync(folder)).toEqual(["run.lock"]);
  });

  test("a lock that is being written cannot be taken", async () => {
    disk.linkError = linkError;
    write("");
    const locking = lockFile(path);
    setTimeout(() => write(living), 20);
    await expect(locking).rejects.toThrow(`is held by process ${living.pid}`);
  });
});

test.runIf(process.platform === "linux")("a process that ended and was not waited for is gone", async () => {
  // As in a container without an init: the parent of the zombie never reads its exit code.
  const parent = spawn("sh", ["-c", "sleep 1 & echo $!; exec sleep 60"]);
  const [line] = await once(createInterface(parent.stdout), "line");
  const pid = Number(line);
  while (!readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ")) await wait(5);
  try {
    write({ pid, host: hostname(), started: "2024-04-08T10:00:00.000Z" });
    expect(await lockOwner(path)).toBeUndefined();
    await (await lockFile(path)).release();
  } finally {
    parent.kill();
  }
});

test("a lock that was taken over is noticed, and left to its new holder", async () => {
  const lock = await lockFile(path);
  await lock.check();
  const other = JSON.stringify({ pid: 1, host: "elsewhere", started: "2024-04-08T10:00:00.000Z" });
  rmSync(path);
  await lock.check();
  write(other);
  await expect(lock.check()).rejects.toThrow(LlmError);
  await expect(lock.check()).rejects.toThrow(/run\.lock was taken over by process 1 on elsewhere/);
  await lock.release();
  expect(readFileSync(path, "utf8")).toBe(other);
});

test("a lock that is gone after a time without a heartbeat may have been another's", async () => {
  const heartbeat = 10;
  const lock = await lockFile(path, undefined, heartbeat);
  rmSync(path);
  // A process that is stopped, or whose machine sleeps, runs none of its timers.
  const until = Date.now() + 5 * heartbeat;
  while (Date.now() < until);
  const check = () =>
    expect(lock.check()).rejects.toThrow(/was taken over by another process while this process gave no sign/);
  await check();
  await wait(2 * heartbeat);
  await check();
  await lock.release();
});

describe("a holder that cannot be seen is known by its heartbeat", () => {
  const heartbeat = 20;
  const stale = 18 * heartbeat;
  const elsewhere = { pid: 1, host: "elsewhere", started: "2024-04-08T10:00:00.000Z", heartbeat };
  /** Of a container of the same name, whose process ids are others. */
  const container = { ...elsewhere, pid: process.pid, host: hostname(), namespace: "this boot pid:[1]" };
  const writtenAgo = (ms: number) => utimesSync(path, new Date(), new Date(Date.now() - ms));

  test("the holder gives one", async () => {
    const lock = await lockFile(path, undefined, heartbeat);
    writtenAgo(60_000);
    const text = readFileSync(path, "utf8");
    while (Date.now() - statSync(path).mtimeMs > 30_000) await wait(heartbeat);
    expect(readFileSync(path, "utf8")).toBe(text);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("on another machine: fresh, it is held", async () => {
    write({ ...elsewhere, heartbeat: 10_000 });
    await expect(lockFile(path)).rejects.toThrow(/process 1 on elsewhere.*heartbeat is heard.*3 min after its end/);
    expect(await lockOwner(path)).toMatchObject({ who: "process 1 on elsewhere" });
  });

  test.each([stale + 1000, -stale - 60_000])(
    "on another machine: last %i ms ago, and no more, it is free",
    async (ago) => {
      write(elsewhere);
      writtenAgo(ago);
      expect(await lockOwner(path)).toBeUndefined();
      const watched: unknown[] = [];
      const lock = await lockFile(path, (...watch) => watched.push(watch));
      expect(lock.takenFrom?.who).toBe("process 1 on elsewhere");
      expect(watched).toEqual([[lock.takenFrom, 2.5 * heartbeat]]);
      await lock.release();
    },
  );

  test.each([elsewhere, container])("by a clock that is wrong, but heard, it is held: %o", async (owner) => {
    write({ ...owner, heartbeat: 200 });
    // On this machine clocks agree: there it is watched while it is not stale.
    const skew = owner === elsewhere ? 3_600_000 : 0;
    writtenAgo(skew);
    const beat = setInterval(() => writtenAgo(skew), 20);
    try {
      await expect(lockFile(path)).rejects.toThrow(/is held by process/);
    } finally {
      clearInterval(beat);
    }
  });

  test("in another container of the same name: silent, it is free, at once where it is stale", async () => {
    for (const ago of [0, stale + 1000]) {
      write(container);
      writtenAgo(ago);
      let watched = false;
      const lock = await lockFile(path, () => {
        watched = true;
      });
      expect([lock.takenFrom?.who, watched]).toEqual([`process ${process.pid} on ${hostname()}`, ago === 0]);
      await lock.release();
    }
  });

  test("where only the id is known, another process may have it by now", async () => {
    const owner = { ...elsewhere, pid: process.ppid, host: hostname() };
    write({ ...owner, heartbeat: 10_000 });
    await expect(lockFile(path)).rejects.toThrow(/is held by/);
    write(owner);
    writtenAgo(stale + 1000);
    expect(await lockOwner(path)).toBeUndefined();
    await (await lockFile(path)).release();
  });
});
