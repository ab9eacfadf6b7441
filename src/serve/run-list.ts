import { basename, join, resolve } from "node:path";
import type { RunSummary } from "../runs/read-run.ts";
import { entriesOf, LiveRun, type LogEvent, realPath } from "./live-run.ts";
import { byAge } from "./run-times.ts";

/**
 * The runs of a folder: the folders right in it that hold one or, where it is a run's own, that one. Links to folders are
 * not followed. What a request names is looked for among them, and never becomes a path.
 */
export class RunList {
  readonly folder: string;
  readonly #tell: (event: LogEvent) => void;
  #runs = new Map<string, LiveRun>();
  #looking: Promise<void> | undefined;

  /** `folder` may be missing, or come later. `tell` gets what is new in the logs. */
  constructor(folder: string, tell: (event: LogEvent) => void) {
    this.folder = resolve(folder);
    this.#tell = tell;
  }

  /** Looks at all of them. Who asks while it is being done waits for the same. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** The newest first. */
  get summaries(): RunSummary[] {
    return [...this.#runs.values()].map(({ summary }) => summary).sort(byAge);
  }

  find(name: string): LiveRun | undefined {
    return this.#runs.get(name);
  }

  async #look(): Promise<void> {
    const runs = new Map<string, LiveRun>();
    const root = await realPath(this.folder);
    for (const path of root === undefined ? [] : await runFolders(root)) {
      const name = basename(path);
      const run = this.#runs.get(name) ?? new LiveRun(name, path, root ?? path, this.#tell);
      if (await run.look()) runs.set(name, run);
    }
    this.#runs = runs;
  }
}

async function runFolders(root: string): Promise<string[]> {
  const entries = await entriesOf(root);
  if (entries.some(({ name }) => name === "config.json")) return [root];
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
  return folders.map(({ name }) => join(root, name));
}
