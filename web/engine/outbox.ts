import type { TrainEvent } from "../../src/train/events.ts";
import type { Activity, EngineUpdate } from "./protocol.ts";

/**
 * Milliseconds between two updates that tell of steps, and of anything else. The run has all cores: each drawing of the
 * page takes one from it, and the others wait meanwhile (docs/LOG.md).
 */
const STEPS_EVERY_MS = 1000;
const CHANGES_EVERY_MS = 100;

type Status = Omit<EngineUpdate, "events" | "remarks">;

/** Collects what the page should know, and tells it together. */
export class Outbox {
  #listener: ((update: EngineUpdate) => void) | undefined;
  /** All that was told and has not changed since, and what is to be told. */
  #status: Status = {};
  #changes: Status = {};
  #events: TrainEvent[] = [];
  #remarks: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #told = Number.NEGATIVE_INFINITY;
  #due = Number.POSITIVE_INFINITY;

  get status(): Status {
    return { ...this.#status, ...this.#changes };
  }

  /** From now on `listener` is told; gives all that is known. */
  subscribe(listener: (update: EngineUpdate) => void): EngineUpdate {
    this.#listener = listener;
    return this.#take(this.status);
  }

  change(changes: Status): void {
    Object.assign(this.#changes, changes);
    this.#schedule(CHANGES_EVERY_MS);
  }

  /** Does something that takes a while, and tells how far it is. */
  async during<T>(what: Activity["what"], task: (onProgress: (share: number) => void) => Promise<T>): Promise<T> {
    this.change({ activity: { what } });
    try {
      return await task((share) => this.change({ activity: { what, share } }));
    } finally {
      this.change({ activity: null });
    }
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
    const due = this.#told + everyMs;
    if (due >= this.#due || !this.#listener) return;
    clearTimeout(this.#timer);
    this.#due = due;
    const wait = Math.max(0, due - performance.now());
    this.#timer = setTimeout(() => this.#listener?.(this.#take(this.#changes)), wait);
  }

  /** The update that tells `status` and all that waits. */
  #take(status: Status): EngineUpdate {
    clearTimeout(this.#timer);
    this.#due = Number.POSITIVE_INFINITY;
    this.#told = performance.now();
    const update = { ...status, events: this.#events, remarks: this.#remarks };
    this.#status = this.status;
    this.#changes = {};
    this.#events = [];
    this.#remarks = [];
    return update;
  }
}
