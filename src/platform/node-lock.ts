/**
 * A lock that a crash cannot leave shut: a file that names the process that holds it. Where that process is gone, the
 * lock is free. Where it cannot be seen, on another machine or in another container, the file's heartbeat decides: its
 * holder writes to it every few seconds.
 */
import { readFileSync, rmSync } from "node:fs";
import { type FileHandle, link, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { InputError, LlmError } from "../errors.ts";
import { errorCode, explain, explained } from "./node-errors.ts";
import { fileInfo } from "./node-kinds.ts";
import { lookAt, type ProcessName, thisProcess } from "./node-process.ts";
import { removeLeftovers, temporaryFor } from "./node-temporary.ts";
import type { FileLock, LockOwner } from "./platform.ts";

/** Milliseconds between two heartbeats. */
const heartbeatMs = 10_000;
/** A lock is stale after so many heartbeats that did not come: three minutes. */
const staleBeats = 18;
/** For so many heartbeats a lock is watched where clocks cannot be trusted. */
const watchedBeats = 2.5;
/** Milliseconds within which a lock that was just created has its content. */
const writingMs = 100;

/** Content of a lock file. */
interface LockContent extends ProcessName {
  readonly started: string;
  /** Milliseconds between the holder's heartbeats; older versions had none. */
  readonly heartbeat?: number;
}

/** The locks that this process holds, with what is in them. It takes them with it when it exits. */
const held = new Map<string, string>();
process.on("exit", () => {
  for (const [path, text] of held) {
    try {
      if (readFileSync(path, "utf8") === text) rmSync(path, { force: true });
    } catch {}
  }
});

/** A lock that is held. */
export class LockedError extends InputError {
  readonly owner: LockOwner;

  constructor(path: string, content: LockContent) {
    const owner = ownerOf(content);
    super(`${path} is held by ${owner.who}, since ${owner.started}. ${adviceOn(path, content)}`);
    this.owner = owner;
  }
}

/**
 * Takes the lock `path`; LockedError when a process that lives has it. `onWatch` is called when the check takes long: the
 * holder cannot be seen, and its heartbeat is watched. `heartbeat` is in milliseconds.
 */
export async function lockFile(
  path: string,
  onWatch: (owner: LockOwner, ms: number) => void = () => {},
  heartbeat = heartbeatMs,
): Promise<FileLock> {
  const content: LockContent = { ...thisProcess(), started: new Date().toISOString(), heartbeat };
  const text = `${JSON.stringify(content)}\n`;
  await removeLeftovers(path);
  let takenFrom: LockOwner | undefined;
  // Between two reads a lock may be released, or taken by another process.
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await createWhole(path, text)) return new HeldLock(path, text, heartbeat, takenFrom);
    const found = await readText(path);
    if (found === undefined) continue;
    const owner = parseOwner(found);
    if (!owner && (await changesText(path, found))) continue;
    if (owner && (await isHeld(path, owner, onWatch))) throw new LockedError(path, owner);
    if (await putAside(path, found)) takenFrom = owner && ownerOf(owner);
  }
  throw new InputError(`${path} is being taken by another process. Try again.`);
}

/** Holder of a lock, as far as that can be decided at once; undefined if there is none. */
export async function lockOwner(path: string): Promise<LockOwner | undefined> {
  const owner = parseOwner((await readText(path)) ?? "");
  if (!owner) return undefined;
  const sight = lookAt(owner);
  const isLive = sight === "lives" || (sight !== "gone" && !isStale(owner, await mtimeOf(path), Date.now()));
  return isLive ? ownerOf(owner) : undefined;
}

class HeldLock implements FileLock {
  readonly takenFrom: LockOwner | undefined;
  readonly #path: string;
  readonly #text: string;
  readonly #heartbeat: number;
  readonly #timer: NodeJS.Timeout;
  readonly #handle: Promise<FileHandle | undefined>;
  /** Time of the last heartbeat; and whether one came so late that another process may have had the lock meanwhile. */
  #beaten = Date.now();
  #wasSilent = false;

  constructor(path: string, text: string, heartbeat: number, takenFrom: LockOwner | undefined) {
    held.set(path, text);
    this.takenFrom = takenFrom;
    this.#path = path;
    this.#text = text;
    this.#heartbeat = heartbeat;
    this.#handle = open(path, "r+").catch(() => undefined);
    this.#timer = setInterval(() => void this.#beat(), heartbeat);
    this.#timer.unref();
  }

  async check(): Promise<void> {
    const found = await readText(this.#path);
    // A lock whose file a person removed is lost; but another process that took it over may have released it by now.
    if (found === this.#text || (found === undefined && !this.#isSilent())) return;
    const owner = parseOwner(found ?? "");
    throw new LlmError(
      `${this.#path} was taken over by ${owner ? ownerOf(owner).who : "another process"} while this process gave no sign ` +
        "of life (a machine that slept?). This one writes nothing more there: end it.",
    );
  }

  async release(): Promise<void> {
    if (!held.delete(this.#path)) return;
    clearInterval(this.#timer);
    await (await this.#handle)?.close();
    if ((await readText(this.#path)) === this.#text) await explained(this.#path, () => rm(this.#path, { force: true }));
  }

  #isSilent(): boolean {
    return this.#wasSilent || Date.now() - this.#beaten > watchedBeats * this.#heartbeat;
  }

  /** Writes one byte again, so that the file system's own clock gives the time. A lock that is another's now is spared. */
  async #beat(): Promise<void> {
    this.#wasSilent = this.#isSilent();
    this.#beaten = Date.now();
    try {
      const handle = await this.#handle;
      await handle?.write(this.#text.slice(0, 1), 0);
      await handle?.datasync();
    } catch {
      // A disk that is full or away: the next heartbeat may come through.
    }
  }
}

/** Liveness of a lock's holder: true, false, or undecidable from here. */
async function isHeld(
  path: string,
  content: LockContent,
  onWatch: (owner: LockOwner, ms: number) => void,
): Promise<boolean> {
  const sight = lookAt(content);
  if (sight === "lives" || sight === "gone") return sight === "lives";
  if (content.heartbeat === undefined) return true;
  const stale = isStale(content, await mtimeOf(path), await fileSystemNow(path));
  if (sight === "likely") return !stale;
  // On this machine, in another container or before a restart of it, a stale lock is one whose holder is gone. Elsewhere
  // the file's time may be from another clock than ours, so that a lock that seems stale has to be watched.
  const isNear = content.host === hostname();
  if (isNear ? stale : !stale) return !isNear;
  return changesWithin(path, watchedBeats * content.heartbeat, () =>
    onWatch(ownerOf(content), watchedBeats * (content.heartbeat ?? 0)),
  );
}

/** True if the heartbeats have stopped; `now` and `written` should be of one clock. One in the future proves nothing. */
function isStale({ heartbeat }: LockContent, written: number, now: number): boolean {
  return heartbeat !== undefined && Math.abs(now - written) > staleBeats * heartbeat;
}

/** True if a file is written to, or replaced, within some milliseconds. */
async function changesWithin(path: string, ms: number, onWatch: () => void): Promise<boolean> {
  onWatch();
  const before = await mtimeOf(path);
  for (let waited = 0; waited < ms; waited += ms / 10) {
    await wait(ms / 10);
    if ((await mtimeOf(path)) !== before) return true;
  }
  return false;
}

/** True if a lock without a valid owner may be one that is just being written. */
async function changesText(path: string, text: string): Promise<boolean> {
  await wait(writingMs);
  return (await readText(path)) !== text;
}

/** The time by the clock that gives files theirs, which on a shared disk is not this machine's. */
async function fileSystemNow(path: string): Promise<number> {
  const temporary = temporaryFor(path);
  try {
    await writeFile(temporary, "", { flag: "wx" });
    return await mtimeOf(temporary);
  } catch (error) {
    throw explain(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** 0 for a file that is gone. */
async function mtimeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}

/** The file appears with its content or not at all: a link to a finished file, which fails where there is one. */
async function createWhole(path: string, text: string): Promise<boolean> {
  const temporary = temporaryFor(path);
  try {
    await writeFile(temporary, text, { flag: "wx" });
    try {
      await link(temporary, path);
    } catch (error) {
      if (errorCode(error) === "EEXIST") return false;
      // Some file systems have no hard links. A crash in the next line would leave an empty lock, which counts as free.
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

/** Removes an abandoned lock; false if another process has taken it meanwhile. */
async function putAside(path: string, stale: string): Promise<boolean> {
  const aside = temporaryFor(path);
  try {
    await rename(path, aside);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw explain(path, error);
  }
  const isStale = (await readText(aside)) === stale;
  if (!isStale) await giveBack(aside, path);
  await rm(aside, { force: true });
  return isStale;
}

/** Restores a lock's name, unless another process has taken it by now, which is detectable only where there are hard links. */
async function giveBack(aside: string, path: string): Promise<void> {
  try {
    await link(aside, path);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") await rename(aside, path).catch(() => {});
  }
}

function parseOwner(text: string): LockContent | undefined {
  const string = (value: unknown) => (typeof value === "string" ? value : undefined);
  try {
    const { pid, host, started, process, namespace, heartbeat } = JSON.parse(text);
    if (!Number.isSafeInteger(pid) || typeof host !== "string" || typeof started !== "string") return undefined;
    const beats = typeof heartbeat === "number" && heartbeat > 0 ? heartbeat : undefined;
    return { pid, host, started, process: string(process), namespace: string(namespace), heartbeat: beats };
  } catch {
    return undefined;
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return (await fileInfo(path)) && (await readFile(path, "utf8"));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw explain(path, error);
  }
}

function ownerOf({ pid, host, started }: LockContent): LockOwner {
  return { who: `process ${pid} on ${host}`, started };
}

function adviceOn(path: string, content: LockContent): string {
  if (lookAt(content) !== "unseen") return "Wait for that process, or stop it.";
  if (content.heartbeat === undefined)
    return `Whether it still runs cannot be checked from here: if it does not, remove ${path}.`;
  const minutes = Math.ceil((staleBeats * content.heartbeat) / 60_000);
  return `Its heartbeat is heard. Wait for that process, or stop it; ${minutes} min after its end the lock is free.`;
}
