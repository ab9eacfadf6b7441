/**
 * A lock that a crash cannot leave shut: a file that names the process that holds it. Where that process is gone, the
 * lock is free, also when its id now belongs to another process (which only Linux lets us tell).
 */
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { InputError } from "../errors.ts";
import { errorCode, explain, explained } from "./node-errors.ts";
import type { FileLock, LockOwner } from "./platform.ts";

/** What a lock file holds. `process` tells two processes of the same id apart, where the system lets us. */
interface LockContent {
  readonly pid: number;
  readonly host: string;
  readonly started: string;
  readonly process?: string;
}

/** The locks that this process holds. It takes them with it when it exits. */
const held = new Set<string>();
process.on("exit", () => {
  for (const path of held) rmSync(path, { force: true });
});

/** Takes the lock `path`; InputError when a process that lives, or one on another machine, has it. */
export async function lockFile(path: string): Promise<FileLock> {
  const content: LockContent = {
    pid: process.pid,
    host: hostname(),
    started: new Date().toISOString(),
    process: processIdentity(process.pid),
  };
  const text = `${JSON.stringify(content)}\n`;
  let takenFrom: LockOwner | undefined;
  // A lock may be released, or taken over by somebody else, between two looks at it.
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await createWhole(path, text)) {
      held.add(path);
      return { takenFrom, release: () => release(path) };
    }
    const found = await readText(path);
    if (found === undefined) continue;
    const owner = parseOwner(found);
    if (owner && holds(owner) !== false) throw lockedBy(path, owner);
    if (await putAside(path, found)) takenFrom = owner && ownerOf(owner);
  }
  throw new InputError(`${path} is being taken by another process. Try again.`);
}

/** Who holds a lock; undefined when nobody does. */
export async function lockOwner(path: string): Promise<LockOwner | undefined> {
  const owner = parseOwner((await readText(path)) ?? "");
  return owner && holds(owner) !== false ? ownerOf(owner) : undefined;
}

/** The file appears with its content or not at all: a link to a finished file, which fails where there is one. */
async function createWhole(path: string, text: string): Promise<boolean> {
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, text, { flag: "wx" });
    try {
      await link(temporary, path);
    } catch (error) {
      if (errorCode(error) === "EEXIST") return false;
      // Some file systems have no links. A crash in the next line would leave an empty lock, which counts as free.
      await writeFile(path, text, { flag: "wx" });
    }
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw explain(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Removes a lock that nobody holds; false when it meanwhile belongs to somebody, who keeps it. */
async function putAside(path: string, stale: string): Promise<boolean> {
  const aside = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw explain(path, error);
  }
  const isStale = (await readText(aside)) === stale;
  if (!isStale) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
  return isStale;
}

async function release(path: string): Promise<void> {
  if (!held.delete(path)) return;
  await explained(path, () => rm(path, { force: true }));
}

/** Whether the process that a lock names still lives; undefined when it is on another machine. */
function holds(owner: LockContent): boolean | undefined {
  if (owner.host !== hostname()) return undefined;
  const now = processIdentity(owner.pid);
  if (now !== undefined && owner.process !== undefined) return now === owner.process;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to another user.
    return errorCode(error) !== "ESRCH";
  }
}

/** Boot and start time of a process: no two processes of the same id share both. Known on Linux alone. */
function processIdentity(pid: number): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    // The name, the second field, may hold spaces and parentheses; the start time is the 22nd.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "");
    return `${boot} ${stat.split(" ")[19]}`;
  } catch {
    return undefined;
  }
}

function parseOwner(text: string): LockContent | undefined {
  try {
    const { pid, host, started, process } = JSON.parse(text);
    const isOwner = Number.isSafeInteger(pid) && typeof host === "string" && typeof started === "string";
    return isOwner ? { pid, host, started, process: typeof process === "string" ? process : undefined } : undefined;
  } catch {
    return undefined;
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw explain(path, error);
  }
}

function ownerOf({ pid, host, started }: LockContent): LockOwner {
  return { who: `process ${pid} on ${host}`, started };
}

function lockedBy(path: string, content: LockContent): InputError {
  const { who, started } = ownerOf(content);
  const advice =
    content.host === hostname()
      ? "Wait for that process, or stop it."
      : `From here nobody can tell whether it still runs: if it does not, remove ${path}.`;
  return new InputError(`${path} is held by ${who}, since ${started}. ${advice}`);
}
