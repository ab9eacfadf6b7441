import type { ServerResponse } from "node:http";
import { basename, join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { byAge } from "../runs/node-run-list.ts";
import type { RunSummary } from "../runs/read-run.ts";
import { entriesOf, LiveRun, type LogEvent, realPath } from "./live-run.ts";

/** Milliseconds between two refreshes, while clients listen. */
const shortestPause = 500;

/** Least pause, as a multiple of the refresh's duration: thousands of runs cost a tenth of one core. */
const pausePerRefresh = 9;

/** Refreshes between two heartbeats, by which both sides detect a dead connection. */
const heartbeatEvery = 30;

/** Bytes that may wait for a client: a slower one is dropped, and reconnects. */
const mostWaiting = 1 << 20;

const mostClients = 200;

/** Sends changes in a folder of runs to pages, as server-sent events. */
export class Watch {
  readonly runs: RunList;
  readonly #clients = new Set<ServerResponse>();
  #sent = "";
  #watching = false;

  constructor(folder: string) {
    this.runs = new RunList(folder, ({ event, ...data }: LogEvent) => this.#broadcast(message(event, data)));
  }

  /** Number of clients. */
  get listeners(): number {
    return this.#clients.size;
  }

  /** Refreshes the runs, and sends changes of the list. */
  async refresh(): Promise<void> {
    await this.runs.refresh();
    const state = this.#state();
    if (state !== this.#sent) this.#broadcast(message("runs", this.runs.summaries));
    this.#sent = state;
  }

  /** Subscribes a response, and sends it the list of runs. False when there are too many. */
  async add(response: ServerResponse): Promise<boolean> {
    // Existing lines are not sent as events: the page reads them.
    await this.refresh();
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
    for (let refreshes = 1; this.#clients.size > 0; refreshes++) {
      // It is the server that keeps the process alive.
      await wait(Math.max(shortestPause, pausePerRefresh * took), undefined, { ref: false });
      const began = performance.now();
      try {
        await this.refresh();
      } catch {
        // The folder cannot be read any more; reconnecting clients get the reason.
        for (const client of this.#clients) this.#drop(client);
      }
      took = performance.now() - began;
      if (refreshes % heartbeatEvery === 0) this.#broadcast(":\n\n");
    }
    this.#watching = false;
  }

  /** The fields whose change sends the list. Progress of a run is in its lines. */
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
 * not followed. Names in requests are looked up among them, and never become a path.
 */
class RunList {
  readonly folder: string;
  readonly #emit: (event: LogEvent) => void;
  #runs = new Map<string, LiveRun>();
  #refreshing: Promise<void> | undefined;

  /** `folder` may be missing, or appear later. `emit` receives changes of the logs. */
  constructor(folder: string, emit: (event: LogEvent) => void) {
    this.folder = resolve(folder);
    this.#emit = emit;
  }

  /** Refreshes all of them. Concurrent calls share one refresh. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** The newest first. */
  get summaries(): RunSummary[] {
    return [...this.#runs.values()].map(({ summary }) => summary).sort(byAge);
  }

  find(name: string): LiveRun | undefined {
    return this.#runs.get(name);
  }

  async #refresh(): Promise<void> {
    const runs = new Map<string, LiveRun>();
    const root = await realPath(this.folder);
    for (const path of root === undefined ? [] : await runFolders(root)) {
      const name = basename(path);
      const run = this.#runs.get(name) ?? new LiveRun(name, path, root ?? path, this.#emit);
      if (await run.refresh()) runs.set(name, run);
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
