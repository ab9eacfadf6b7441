import type { TrainEvent } from "../../src/train/events.ts";
import type { Activity, EngineUpdate } from "./protocol.ts";

/**
 * Least milliseconds between two updates: with steps, and with other changes alone. Training uses all cores; a page that
 * draws takes one of them, for which all other threads wait (docs/LOG.md).
 */
const STEPS_EVERY_MS = 1000;
const CHANGES_EVERY_MS = 100;

type OnProgress = (share: number, part?: Activity["part"]) => void;
type Status = Omit<EngineUpdate, "events" | "remarks">;

/** Batches events, remarks and changes of state into updates for the page. */
export class Outbox {
  #listener: ((update: EngineUpdate) => void) | undefined;
  /** State as last sent, and changes not sent yet. */
  #status: Status = {};
  #changes: Status = {};
  #events: TrainEvent[] = [];
  #remarks: string[] = [];
  /** Tasks in progress, of which the one that began last is shown. */
  readonly #activities = new Set<{ shown: Activity }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Time of the last update, and of the scheduled one, in milliseconds. */
  #sent = Number.NEGATIVE_INFINITY;
  #due = Number.POSITIVE_INFINITY;

  get status(): Status {
    return { ...this.#status, ...this.#changes };
  }

  /** Sends updates to `listener` from now on, in place of any earlier one; returns the present state. */
  subscribe(listener: (update: EngineUpdate) => void): EngineUpdate {
    this.#listener = listener;
    return this.#take(this.status);
  }

  change(changes: Status): void {
    Object.assign(this.#changes, changes);
    this.#schedule(CHANGES_EVERY_MS);
  }

  /** Runs a task, with its progress as the activity. */
  async during<T>(what: Activity["what"], task: (onProgress: OnProgress) => Promise<T>): Promise<T> {
    const own = { shown: { what } as Activity };
    this.#activities.add(own);
    this.#showActivity();
    try {
      return await task((share, part) => {
        own.shown = { what, share, ...(part && { part }) };
        this.#showActivity();
      });
    } finally {
      this.#activities.delete(own);
      this.#showActivity();
    }
  }

  #showActivity(): void {
    this.change({ activity: [...this.#activities].at(-1)?.shown ?? null });
  }

  event(event: TrainEvent): void {
    this.#events.push(event);
    this.#schedule(STEPS_EVERY_MS);
  }

  remark(text: string): void {
    this.#remarks.push(text);
    this.#schedule(CHANGES_EVERY_MS);
  }

  #schedule(everyMs: number): void {
    const due = this.#sent + everyMs;
    if (due >= this.#due || !this.#listener) return;
    clearTimeout(this.#timer);
    this.#due = due;
    const wait = Math.max(0, due - performance.now());
    this.#timer = setTimeout(() => this.#listener?.(this.#take(this.#changes)), wait);
  }

  /** An update of `status` with all pending events and remarks, which are cleared. */
  #take(status: Status): EngineUpdate {
    clearTimeout(this.#timer);
    this.#due = Number.POSITIVE_INFINITY;
    this.#sent = performance.now();
    const update = { ...status, events: this.#events, remarks: this.#remarks };
    this.#status = this.status;
    this.#changes = {};
    this.#events = [];
    this.#remarks = [];
    return update;
  }
}
