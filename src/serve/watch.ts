import type { ServerResponse } from "node:http";
import { basename, join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { byAge } from "../runs/node-run-list.ts";
import type { RunSummary } from "../runs/read-run.ts";
import { entriesOf, LiveRun, type LogEvent, realPath } from "./live-run.ts";

/** Milliseconds between two looks at the folder, while somebody listens. */
const shortestPause = 500;

/** So often longer than a look is the pause after it, at least: thousands of runs cost a tenth of one core. */
const restPerLook = 9;

/** Looks between two signs of life, by which both sides learn that a connection is dead. */
const signOfLife = 30;

/** Bytes that may wait for a client: one that is slower than that is dropped, and comes again when it can. */
const mostWaiting = 1 << 20;

const mostClients = 200;

/** Tells pages what happens in a folder of runs, by server-sent events. */
export class Watch {
  readonly runs: RunList;
  readonly #clients = new Set<ServerResponse>();
  #told = "";
  #watching = false;

  constructor(folder: string) {
    this.runs = new RunList(folder, ({ event, ...data }: LogEvent) => this.#broadcast(message(event, data)));
  }

  /** How many listen. */
  get listeners(): number {
    return this.#clients.size;
  }

  /** Looks at the runs, and tells what has changed. */
  async look(): Promise<void> {
    await this.runs.look();
    const state = this.#state();
    if (state !== this.#told) this.#broadcast(message("runs", this.runs.summaries));
    this.#told = state;
  }

  /** Makes a response one that listens. It is told the list of runs first. False when there are too many. */
  async add(response: ServerResponse): Promise<boolean> {
    // What is there already is no news: a page reads it.
    await this.look();
    if (this.#clients.size >= mostClients) return false;
    if (response.destroyed) return true;
    response.write(`retry: 1000\n\n${message("runs", this.runs.summaries)}`);
    this.#clients.add(response);
    response.on("close", () => this.#clients.delete(response));
    if (!this.#watching) void this.#watch();
    return true;
  }

  async #watch(): Promise<void> {
    this.#watching = true;
    let took = 0;
    for (let looks = 1; this.#clients.size > 0; looks++) {
      // It is the server that keeps the process alive.
      await wait(Math.max(shortestPause, restPerLook * took), undefined, { ref: false });
      const began = performance.now();
      try {
        await this.look();
      } catch {
        // The folder cannot be read any more. Who comes again is told why.
        for (const client of this.#clients) this.#drop(client);
      }
      took = performance.now() - began;
      if (looks % signOfLife === 0) this.#broadcast(":\n\n");
    }
    this.#watching = false;
  }

  /** What of the list is told when it changes. How far a run is, its lines tell. */
  #state(): string {
    return JSON.stringify(
      this.runs.summaries.map(({ folder, status, reason, model, steps, checkpoint, created }) => {
        return [folder, status, reason, model, steps, checkpoint, created];
      }),
    );
  }

  #broadcast(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > mostWaiting) this.#drop(client);
      else client.write(text);
    }
  }

  #drop(client: ServerResponse): void {
    client.destroy();
    this.#clients.delete(client);
  }
}

/** A server-sent event. JSON has no line ends, which would end it. */
function message(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

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
