/** The runs of a folder, for the commands that list them or take the newest. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "#platform";
import { holdsRun, readRun } from "../runs/read-run.ts";
import { byAge, type TimedRun, withTimes } from "../serve/run-times.ts";

/** The folders in a folder that hold a run or, where it is a run's own, that one. */
export async function runFolders(folder: string): Promise<string[]> {
  if ((await platform.pathKind(folder)) !== "folder") return [];
  if (await holdsRun(folder)) return [folder];
  const entries = await readdir(folder, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
  const paths = folders.map(({ name }) => join(folder, name));
  const found = await Promise.all(paths.map(holdsRun));
  return paths.filter((_, at) => found[at]);
}

/** The runs in a folder, the newest first. */
export async function runsIn(folder: string): Promise<TimedRun[]> {
  const runs: TimedRun[] = [];
  for (const path of await runFolders(folder)) runs.push(await withTimes(await readRun(path)));
  return runs.sort(byAge);
}

/** The newest runs of a folder that have a model to write with, as a list for people; empty where there are none. */
export async function namesOfRuns(folder: string, most = 5): Promise<string> {
  const runs = (await runsIn(folder)).filter(({ checkpoint }) => checkpoint !== undefined);
  const names = runs.slice(0, most).map((run) => run.folder);
  return [...names, ...(runs.length > most ? ["…"] : [])].join(", ");
}
