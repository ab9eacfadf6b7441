import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { RunSummary } from "../runs/read-run.ts";

export type TimedRun = Omit<RunSummary, "lastStart"> & { readonly created: string };

/** Where a run does not tell when it began, or not yet how long it took, the times of its files do. */
export async function withTimes({ lastStart, ...run }: RunSummary): Promise<TimedRun> {
  const folder = await stat(run.folder);
  const created = run.created ?? folder.mtime.toISOString();
  const metrics = await stat(join(run.folder, "metrics.jsonl")).catch(() => undefined);
  const start = lastStart ?? (run.created === undefined ? undefined : { at: run.created, ms: 0 });
  const ms = run.ms ?? (metrics && start && start.ms + Math.max(0, metrics.mtimeMs - Date.parse(start.at)));
  return { ...run, created, ms };
}

/** For sorting: the newest first. */
export function byAge(a: RunSummary, b: RunSummary): number {
  const [first = "", second = ""] = [a.created, b.created];
  return first < second ? 1 : first > second ? -1 : 0;
}
