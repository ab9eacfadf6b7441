/**
 * Locks between the tabs and workers of one browser. The browser itself holds them (Web Locks) and frees them when a tab
 * dies; a file beside remembers since when, and is what a tab that died leaves.
 */
import { InputError } from "../errors.ts";
import { explain, isDomError } from "./browser-errors.ts";
import { createSink } from "./browser-file-sink.ts";
import { openSource, removeFile } from "./browser-files.ts";
import { isInMemory, namesIn, placeOf } from "./browser-storage.ts";
import type { FileLock, LockOwner } from "./platform.ts";

/** A worker that is ended while it computes lives on for two seconds in Chromium. */
const patienceMs = 2500;

/** Undefined in a page from an address that is neither https:// nor localhost. */
const lockManager = (): LockManager | undefined => navigator.locks;

const who = "a tab of this browser";

/** Takes the lock `path`; InputError when another tab, or this one, has it. Its folder must exist. */
export async function lockFile(path: string): Promise<FileLock> {
  await placeOf(path);
  const letGo = await take(path);
  try {
    const takenFrom = await readOwner(path);
    const sink = await createSink(path);
    await sink.write(new TextEncoder().encode(`${JSON.stringify({ started: new Date().toISOString() })}\n`));
    await sink.commit();
    let isReleased = false;
    const release = async () => {
      if (isReleased) return;
      isReleased = true;
      await removeFile(path).finally(letGo);
    };
    // The browser takes no lock from a tab that lives.
    return { takenFrom, check: async () => {}, release };
  } catch (error) {
    await letGo();
    throw error;
  }
}

/** Holder of a lock; undefined if there is none, or if the browser gives this site no locks. */
export async function lockOwner(path: string): Promise<LockOwner | undefined> {
  const held = await heldLocks();
  if (!held.some(({ name }) => name === lockName(path))) return undefined;
  // Taken this very moment, if the file is not there yet.
  return (await readOwner(path)) ?? { who, started: new Date().toISOString() };
}

async function heldLocks(): Promise<readonly LockInfo[]> {
  try {
    return (await lockManager()?.query())?.held ?? [];
  } catch (error) {
    if (isDomError(error, "SecurityError")) return [];
    throw error;
  }
}

/** The same for every way to write the path. */
const lockName = (path: string) => `llm-ts opfs:/${namesIn(path).join("/")}`;

/** Holds the browser's lock until the function that this gives is called; none where no other tab has the files. */
async function take(path: string): Promise<() => Promise<void>> {
  if (isInMemory) return async () => {};
  const locks = lockManager();
  if (!locks)
    throw new InputError(
      `${location.origin} is not safe enough for the browser to lock files. Use https:// or localhost.`,
    );
  const taken = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const signal = AbortSignal.timeout(patienceMs);
  const done = locks.request(lockName(path), { signal }, () => {
    taken.resolve();
    return released.promise;
  });
  done.catch(taken.reject);
  try {
    await taken.promise;
  } catch (error) {
    if (!isDomError(error, "TimeoutError", "AbortError")) throw explain(path, error);
    throw new InputError(
      `${path} is held by ${who}, since ${(await lockOwner(path))?.started}. Continue there, or close that tab.`,
    );
  }
  return async () => {
    released.resolve();
    await done;
  };
}

async function readOwner(path: string): Promise<LockOwner | undefined> {
  try {
    const source = await openSource(path);
    const { started } = JSON.parse(new TextDecoder().decode(await source.read(0, source.size)));
    return typeof started === "string" ? { who, started } : undefined;
  } catch {
    return undefined;
  }
}
