import type { ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import type { LogEvent } from "./live-run.ts";
import { RunList } from "./run-list.ts";

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
