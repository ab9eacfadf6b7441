import { createReadStream, type Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { platform } from "#platform";
import { LlmError, messageOf } from "../errors.ts";
import { errorCode, explained } from "../platform/node-errors.ts";
import type { LogPiece } from "../runs/columns.ts";
import { LineCutter, logFile, metricsFile } from "../runs/log.ts";
import { withTimes } from "../runs/node-run-list.ts";
import { type RunSummary, RunTally, readRun } from "../runs/read-run.ts";
import { lockName } from "../runs/run-folder.ts";

/** A change of a run's log: new lines, or a reset, after which it must be read again (replaced, or grown by much). */
export type LogEvent =
  | ({ readonly event: "lines"; readonly name: string } & LogPiece)
  | { readonly event: "reset"; readonly name: string };

/** The files of a run folder that are read here. */
const configFile = "config.json";
const logFiles = [metricsFile, logFile];
const ownFiles = [configFile, ...logFiles, lockName];

/** Longer pieces are sent as a reset: clients read the log again. */
const largestPiece = 1 << 18;

/** State of reading a log. */
interface Followed {
  readonly path: string;
  readonly ino: number;
  readonly tally: RunTally;
  end: number;
}

/** A run folder that is polled: each refresh reads only what is new. */
export class LiveRun {
  readonly name: string;
  readonly path: string;
  /** The real path of the folder that is served. */
  readonly #root: string;
  readonly #emit: (event: LogEvent) => void;
  #seen: string | undefined;
  #followed: Followed | undefined;
  #summary: RunSummary;

  constructor(name: string, path: string, root: string, emit: (event: LogEvent) => void) {
    this.name = name;
    this.path = path;
    this.#root = root;
    this.#emit = emit;
    this.#summary = { folder: name, status: "unreadable" };
  }

  get summary(): RunSummary {
    return this.#summary;
  }

  /** Updates the summary; false when the folder holds no run, or is gone. Never throws for its content. */
  async refresh(): Promise<boolean> {
    try {
      const entries = await entriesOf(this.path);
      const own = entries.filter(({ name }) => ownFiles.includes(name));
      if (!own.some(({ name }) => name !== lockName)) return false;
      const problem = await this.#problemOf(own);
      const seen = problem ?? (await this.#stateOf(entries));
      if (seen === this.#seen) return true;
      this.#summary = problem ? this.#unreadable(problem) : await this.#read();
      this.#seen = seen;
    } catch (error) {
      if (!(error instanceof LlmError) && errorCode(error) === undefined) throw error;
      this.#summary = this.#unreadable(messageOf(error));
      this.#seen = undefined;
    }
    return true;
  }

  /** The reason why one of the files may not be read: it is not a file, or leads out of the served folder. */
  async #problemOf(own: readonly Dirent[]): Promise<string | undefined> {
    for (const entry of own) {
      if (entry.isFile() || entry.isDirectory()) continue;
      const path = join(this.path, entry.name);
      if (!entry.isSymbolicLink()) return `${path} is a device or pipe, where a file is expected.`;
      const target = await realPath(path);
      if (target === undefined) return `${path} is a link to something that does not exist.`;
      if (!target.startsWith(this.#root + sep))
        return `${path} is a link that leads out of ${this.#root}: it is not followed.`;
      if (!(await stat(target)).isFile()) return `${path} is a link to something else than a file.`;
    }
    return undefined;
  }

  /** A fingerprint of everything the summary depends on: names, times, sizes, and the owner of the lock. */
  async #stateOf(entries: readonly Dirent[]): Promise<string> {
    const parts = entries.map(({ name }) => name).sort();
    for (const name of [configFile, ...logFiles]) {
      if (!parts.includes(name)) continue;
      const { ino, size, mtimeMs } = await stat(join(this.path, name));
      parts.push(`${ino}:${size}:${mtimeMs}`);
    }
    const owner = parts.includes(lockName) ? await platform.lockOwner(join(this.path, lockName)) : undefined;
    return [...parts, owner?.started].join("/");
  }

  async #read(): Promise<RunSummary> {
    let followed = false;
    const summary = await readRun(this.path, async (path) => {
      followed = true;
      return this.#follow(path);
    });
    if (!followed) this.#forget();
    return { ...(await withTimes(summary)), folder: this.name };
  }

  #unreadable(reason: string): RunSummary {
    this.#forget();
    return { folder: this.name, status: "unreadable", reason };
  }

  /** Reads and emits the new part of the log. */
  async #follow(path: string): Promise<RunTally> {
    const { ino, size } = await explained(path, () => stat(path));
    const known = this.#followed;
    if (known && (known.path !== path || known.ino !== ino || size < known.end)) this.#forget();
    this.#followed ??= { path, ino, tally: new RunTally(path), end: 0 };
    const followed = this.#followed;
    const from = followed.end;
    if (size === from) return followed.tally;
    const isPiece = size - from <= largestPiece;
    const cutter = new LineCutter(path);
    const lines: string[] = [];
    for await (const chunk of createReadStream(path, { start: from, end: size - 1 })) {
      const whole = cutter.push(chunk);
      followed.tally.add(whole);
      followed.end = from + cutter.end;
      if (isPiece) lines.push(...whole);
    }
    if (!isPiece) this.#emit({ event: "reset", name: this.name });
    else if (followed.end > from) this.#emit({ event: "lines", name: this.name, from, to: followed.end, lines });
    return followed.tally;
  }

  #forget(): void {
    if (this.#followed) this.#emit({ event: "reset", name: this.name });
    this.#followed = undefined;
  }
}

/** The content of a folder; none where it is gone. */
export async function entriesOf(path: string): Promise<Dirent[]> {
  try {
    return await explained(path, () => readdir(path, { withFileTypes: true }));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** A path without links; undefined where nothing is. InputError when they lead in a circle, or the like. */
export async function realPath(path: string): Promise<string | undefined> {
  try {
    return await explained(path, () => realpath(path));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** True for an error of `explained` about a path that does not exist. */
function isMissing(error: unknown): boolean {
  const code = error instanceof Error ? errorCode(error.cause) : undefined;
  return code === "ENOENT" || code === "ENOTDIR";
}
