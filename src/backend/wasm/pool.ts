/**
 * Executor on worker threads, calling thread's side: writes commands into the ring and awaits fences. It never blocks
 * and never computes.
 *
 * Commands that do not fit into the ring are queued, and so is everything behind a step of the calling thread (`after`).
 * Each fence passed drains as much of the queue as possible.
 */
import { BackendError } from "../../errors.ts";
import type { KernelWorker } from "../../platform/platform.ts";
import { type Executor, kernelFailure } from "./executor.ts";
import { AWAIT_BANKS, FENCE } from "./kernels.ts";
import type { Bank } from "./outside.ts";
import {
  ARGS,
  announce,
  CAPACITY,
  claimsOf,
  EVERY_WORKER,
  FENCED,
  FINISHED,
  failureMessage,
  PUBLISHED,
  positionOf,
  SHARED_BYTES,
  type Shared,
  sharedViews,
  slotOf,
} from "./protocol.ts";
import type { NewBank, WorkerReport, WorkerStart } from "./worker.ts";

interface Command {
  readonly opcode: number;
  readonly parts: number;
  readonly args: readonly number[];
}

/** Work of the calling thread, for when all before it is done. */
interface Step {
  readonly run: () => void;
  readonly reject: (error: BackendError) => void;
}

export class WorkerPool implements Executor {
  readonly threads: number;
  private readonly workers: readonly KernelWorker[];
  /** Settles when each worker is ready or has failed to start. */
  private readonly ready: readonly Promise<void>[];
  private readonly shared = new SharedArrayBuffer(SHARED_BYTES);
  private readonly views: Shared = sharedViews(this.shared);
  private readonly waitAsync = typeof Atomics.waitAsync === "function";

  /** Commands written into the ring so far, modulo 2^32, and how many of them are known to be done. */
  private published = 0;
  private done = 0;
  /** Commands that every worker is known to have left behind. */
  private passed = 0;
  private queue: (Command | Step)[] = [];
  /** Number of the last fence set, the value of `published` behind it, and whether it is still awaited. */
  private fence = 0;
  private fenced = 0;
  private fencePending = false;
  private banks = 0;
  private error: BackendError | null = null;
  private stopped: Promise<unknown> | null = null;

  /** Takes ownership of new workers, which boot while the caller prepares what `start` needs. */
  constructor(workers: readonly KernelWorker[]) {
    this.threads = workers.length;
    this.workers = workers;
    this.ready = workers.map((_, thread) => this.listen(thread));
    for (const started of this.ready) started.catch(() => {}); // `start` reports it
  }

  /** Resolves when all workers are ready to run commands; BackendError if one cannot start. */
  async start(module: WebAssembly.Module, memory: WebAssembly.Memory, blas?: string): Promise<void> {
    const { shared, threads } = this;
    for (const [thread, worker] of this.workers.entries()) {
      const start: WorkerStart = { module, memory, shared, thread, threads, blas };
      worker.postMessage(start);
    }
    await Promise.all(this.ready);
    for (const worker of this.workers) worker.keepAlive(false);
  }

  enqueue(opcode: number, parts: number, ...args: number[]): void {
    if (this.error) return;
    if (this.queue.length === 0 && this.hasFreeSlot()) this.publish(opcode, parts, args);
    else this.defer({ opcode, parts, args });
  }

  after<T>(step: () => T): Promise<T> {
    if (this.error) return Promise.reject(this.error);
    return new Promise((resolve, reject) => {
      const run = () => {
        try {
          resolve(step());
        } catch (error) {
          reject(error);
        }
      };
      this.defer({ run, reject });
    });
  }

  addBank(bank: Bank): void {
    const message: NewBank = { bank };
    for (const worker of this.workers) worker.postMessage(message);
    this.enqueue(AWAIT_BANKS, EVERY_WORKER, ++this.banks);
  }

  async dispose(): Promise<void> {
    this.fail(new BackendError("The backend was disposed of before this was computed."));
    await this.stopped;
  }

  private listen(thread: number): Promise<void> {
    const worker = this.workers[thread];
    return new Promise((resolve, reject) => {
      const failed = (message: string) => {
        const error = new BackendError(
          `Worker thread ${thread + 1} of ${this.threads} failed: ${message}. What this backend holds is lost; files ` +
            "that were saved are whole. Start again from the last checkpoint; fewer threads (OMP_NUM_THREADS) need less memory.",
        );
        reject(error);
        this.fail(error);
      };
      worker.onError((error) => failed(error.message));
      worker.onMessage((message) => {
        const report = message as WorkerReport;
        if (report.type === "ready") resolve();
        else if (report.type === "failed") failed(report.message);
        else this.fencePassed();
      });
    });
  }

  private hasFreeSlot(): boolean {
    return this.occupied() < CAPACITY - 1;
  }

  /** Slots of the ring that a worker may still read: a late one, too. The positions are read when they seem to matter. */
  private occupied(): number {
    const slots = () => (this.published - this.passed) | 0;
    if (slots() >= CAPACITY / 2) {
      const positions = this.workers.map((_, thread) => Atomics.load(this.views.control, positionOf(thread)));
      const behind = Math.max(...positions.map((position) => (this.published - position) | 0));
      this.passed = (this.published - behind) | 0;
    }
    return slots();
  }

  private isIdle(): boolean {
    return this.done === this.published || Atomics.load(this.views.control, FINISHED) === this.published;
  }

  private publish(opcode: number, parts: number, args: readonly number[]): void {
    const { control, ring } = this.views;
    const slot = slotOf(this.published);
    ring[slot] = opcode;
    ring[slot + 1] = parts;
    for (let i = 0; i < args.length; i++) ring[slot + ARGS + i] = args[i];
    Atomics.store(control, claimsOf(this.published), 0);
    this.published = (this.published + 1) | 0;
    announce(control, PUBLISHED, this.published);
  }

  private defer(item: Command | Step): void {
    this.queue.push(item);
    if (!this.fencePending) this.drain();
  }

  /** Runs or publishes what it can of the queue, and sets a fence for the remainder. */
  private drain(): void {
    let taken = 0;
    for (const item of this.queue) {
      if ("run" in item) {
        if (!this.isIdle()) break;
        const message = failureMessage(this.views.control);
        if (message !== null) {
          this.fail(kernelFailure(message));
          return;
        }
        item.run();
      } else {
        if (!this.hasFreeSlot()) break;
        this.publish(item.opcode, item.parts, item.args);
      }
      taken++;
    }
    this.queue.splice(0, taken);
    if (this.queue.length > 0) this.setFence();
  }

  /** Where late workers occupy half of the ring, the fence waits for them: then all slots are free behind it. */
  private setFence(): void {
    this.fencePending = true;
    this.keepAlive(true);
    this.fence = (this.fence + 1) | 0;
    const parts = this.occupied() < CAPACITY / 2 ? 1 : EVERY_WORKER;
    this.publish(FENCE, parts, [this.fence, this.waitAsync ? 0 : 1]);
    this.fenced = this.published;
    if (this.waitAsync) void this.awaitFence();
  }

  /** Checks after each wake-up, which may be the notification of the fence before. */
  private async awaitFence(): Promise<void> {
    const { control } = this.views;
    while (!this.error) {
      const seen = Atomics.load(control, FENCED);
      if (seen === this.fence) break;
      await Atomics.waitAsync(control, FENCED, seen).value;
    }
    this.fencePassed();
  }

  private fencePassed(): void {
    this.fencePending = false;
    if (this.error) return;
    this.done = this.fenced;
    this.drain();
    // A worker that is being terminated keeps the process alive until it has ended, and `dispose` with it.
    if (!this.fencePending && !this.error) this.keepAlive(false);
  }

  /** One worker is enough to keep the process alive. */
  private keepAlive(on: boolean): void {
    this.workers[0].keepAlive(on);
  }

  /** Stops the workers; rejects what is queued, and everything later, with the first error. */
  private fail(error: BackendError): void {
    if (this.error) return;
    this.error = error;
    for (const item of this.queue) if ("reject" in item) item.reject(error);
    this.queue = [];
    Atomics.notify(this.views.control, FENCED); // so that no promise stays pending
    this.stopped = Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}
