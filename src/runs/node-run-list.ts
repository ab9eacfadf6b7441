/** The runs of a folder, for the commands that list them or take the newest. */
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "#platform";
import { metricsFile } from "./log.ts";
import { type RunSummary, readRun } from "./read-run.ts";
import { holdsRun } from "./run-config.ts";

/** The folders in a folder, and links to some, that hold a run or, where it is a run's own, that one. */
export async function runFolders(folder: string): Promise<string[]> {
  if ((await platform.pathKind(folder)) !== "folder") return [];
  if (await holdsRun(folder)) return [folder];
  const paths = await foldersIn(folder);
  const found = await Promise.all(paths.map(holdsRun));
  return paths.filter((_, at) => found[at]);
}

/**
 * The folders in a folder, by name, links followed. What a link such as `latest` leads to is listed once, by its own name
 * where it is there.
 */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = (await readdir(folder, { withFileTypes: true })).filter(({ name }) => !name.startsWith("."));
  const paths = new Map<string, string>();
  const [links, others] = [true, false].map((isLink) => entries.filter((entry) => entry.isSymbolicLink() === isLink));
  for (const { name } of [...others, ...links]) {
    const path = join(folder, name);
    // A link may lead nowhere, or in a circle.
    const info = await stat(path).catch(() => undefined);
    if (!info?.isDirectory()) continue;
    const real = await realpath(path);
    if (!paths.has(real)) paths.set(real, path);
  }
  return [...paths.values()].sort();
}

/** The runs in a folder, the newest first. */
export async function runsIn(folder: string): Promise<TimedRun[]> {
  const runs: TimedRun[] = [];
  for (const path of await runFolders(folder)) runs.push(await withTimes(await readRun(path)));
  return runs.sort(byAge);
}

/** The newest runs of a folder that have a model to write with, as a list for people; empty where there are none. */
export async function namesOfRuns(folder: string): Promise<string> {
  return shortList((await runsIn(folder)).filter(({ checkpoint }) => checkpoint !== undefined));
}

/** The folders of the first runs, as a list for people; empty where there are none. */
export function shortList(runs: readonly TimedRun[], most = 5): string {
  const names = runs.slice(0, most).map((run) => run.folder);
  return [...names, ...(runs.length > most ? ["…"] : [])].join(", ");
}

export type TimedRun = Omit<RunSummary, "lastStart"> & { readonly created: string };

/** Adds the start and the duration, from the times of its files, to a run that has not recorded them. */
export async function withTimes({ lastStart, ...run }: RunSummary): Promise<TimedRun> {
  const folder = await stat(run.folder);
  const created = run.created ?? folder.mtime.toISOString();
  const metrics = await stat(join(run.folder, metricsFile)).catch(() => undefined);
  const start = lastStart ?? (run.created === undefined ? undefined : { at: run.created, ms: 0 });
  const ms = run.ms ?? (metrics && start && start.ms + Math.max(0, metrics.mtimeMs - Date.parse(start.at)));
  return { ...run, created, ms };
}

/** For sorting: the newest first. */
export function byAge(a: RunSummary, b: RunSummary): number {
  const [first = "", second = ""] = [a.created, b.created];
  return first < second ? 1 : first > second ? -1 : 0;
}
