/**
 * The caller's side of the workers: puts commands into the ring and awaits fences. It never blocks and never computes.
 *
 * What does not fit into the ring waits in a list, and so does everything behind a step that the caller wants to take
 * itself (`after`). Each time a fence is passed, as much of the list as possible moves on.
 */
import { BackendError } from "../../errors.ts";
import type { KernelWorker } from "../../platform/platform.ts";
import { type Executor, kernelFailure } from "./executor.ts";
import { FENCE } from "./kernels.ts";
import {
  announce,
  CAPACITY,
  FENCED,
  FINISHED,
  failureMessage,
  PUBLISHED,
  SHARED_BYTES,
  type Shared,
  sharedViews,
  slotOf,
} from "./protocol.ts";
import type { WorkerReport, WorkerStart } from "./worker.ts";

interface Command {
  readonly opcode: number;
  readonly args: readonly number[];
}

/** Something the caller does itself once all before it is done. */
interface Step {
  readonly run: () => void;
  readonly reject: (error: BackendError) => void;
}

export class WorkerPool implements Executor {
  readonly threads: number;
  private readonly workers: readonly KernelWorker[];
  /** Each worker's answer to its start. */
  private readonly ready: readonly Promise<void>[];
  private readonly shared = new SharedArrayBuffer(SHARED_BYTES);
  private readonly views: Shared = sharedViews(this.shared);
  private readonly waitAsync = typeof Atomics.waitAsync === "function";

  /** Commands put into the ring so far, modulo 2^32, and how many of them are known to be done. */
  private published = 0;
  private done = 0;
  private waiting: (Command | Step)[] = [];
  /** The number of the last fence set, how many commands it stands behind, and whether it is still awaited. */
  private fence = 0;
  private fenced = 0;
  private fenceUnderWay = false;
  private error: BackendError | null = null;
  private stopped: Promise<unknown> | null = null;

  /** Takes over workers that were just created; they boot while the caller prepares what `start` needs. */
  constructor(workers: readonly KernelWorker[]) {
    this.threads = workers.length;
    this.workers = workers;
    this.ready = workers.map((_, thread) => this.listen(thread));
    for (const answer of this.ready) answer.catch(() => {}); // `start` will tell, if anyone still asks
  }

  /** Resolves when all workers are ready to run commands; BackendError if one cannot start. */
  async start(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<void> {
    const { shared, threads } = this;
    for (const [thread, worker] of this.workers.entries()) {
      const start: WorkerStart = { module, memory, shared, thread, threads };
      worker.postMessage(start);
    }
    await Promise.all(this.ready);
    for (const worker of this.workers) worker.keepAlive(false);
  }

  enqueue(opcode: number, ...args: number[]): void {
    if (this.error) return;
    if (this.waiting.length === 0 && this.hasRoom()) this.publish(opcode, args);
    else this.wait({ opcode, args });
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
      this.wait({ run, reject });
    });
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

  private hasRoom(): boolean {
    return ((this.published - Atomics.load(this.views.control, FINISHED)) | 0) < CAPACITY - 1;
  }

  private isIdle(): boolean {
    return this.done === this.published || Atomics.load(this.views.control, FINISHED) === this.published;
  }

  private publish(opcode: number, args: readonly number[]): void {
    const { control, ring } = this.views;
    const slot = slotOf(this.published);
    ring[slot] = opcode;
    for (let i = 0; i < args.length; i++) ring[slot + 1 + i] = args[i];
    this.published = (this.published + 1) | 0;
    announce(control, PUBLISHED, this.published);
  }

  private wait(item: Command | Step): void {
    this.waiting.push(item);
    if (!this.fenceUnderWay) this.moveOn();
  }

  /** Takes from the list what can go now, and sees to it that the rest is looked at again. */
  private moveOn(): void {
    let taken = 0;
    for (const item of this.waiting) {
      if ("run" in item) {
        if (!this.isIdle()) break;
        const message = failureMessage(this.views.control);
        if (message !== null) {
          this.fail(kernelFailure(message));
          return;
        }
        item.run();
      } else {
        if (!this.hasRoom()) break;
        this.publish(item.opcode, item.args);
      }
      taken++;
    }
    this.waiting.splice(0, taken);
    if (this.waiting.length > 0) this.setFence();
  }

  private setFence(): void {
    this.fenceUnderWay = true;
    this.keepAlive(true);
    this.fence = (this.fence + 1) | 0;
    this.publish(FENCE, [this.fence, this.waitAsync ? 0 : 1]);
    this.fenced = this.published;
    if (this.waitAsync) void this.awaitFence();
  }

  /** Being woken does not say that the fence was passed: it may have been the notification of the one before. */
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
    this.fenceUnderWay = false;
    if (this.error) return;
    this.done = this.fenced;
    this.moveOn();
    if (!this.fenceUnderWay) this.keepAlive(false);
  }

  /** One worker that keeps the process alive is enough. */
  private keepAlive(on: boolean): void {
    this.workers[0].keepAlive(on);
  }

  /** After a failure nothing more is computed: what waits is told, and so is everyone who asks later. */
  private fail(error: BackendError): void {
    if (this.error) return;
    this.error = error;
    for (const item of this.waiting) if ("reject" in item) item.reject(error);
    this.waiting = [];
    Atomics.notify(this.views.control, FENCED); // no promise may wait for ever
    this.stopped = Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}
