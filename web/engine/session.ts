import { BackendError, LlmError, messageOf } from "../../src/errors.ts";
import { RunSaver } from "../../src/runs/run-saver.ts";
import { runEvents, type StartedRun } from "../../src/runs/start.ts";
import { noteOf, type TrainEvent } from "../../src/train/events.ts";
import { closeLoaders } from "../../src/train/loaders.ts";
import { checkpointBytes } from "./estimate.ts";
import type { Outbox } from "./outbox.ts";
import type { RunInfo, RunState } from "./protocol.ts";
import { letMessagesIn, type Queue } from "./queue.ts";
import { SaveClock } from "./save-clock.ts";

/** A run, ready to start or resume. */
export interface SessionParts extends StartedRun {
  /** Failure of the storage, for which the run has no folder. */
  readonly unkept?: string;
  readonly info: RunInfo;
  /** Save before the first step: the initial weights exist nowhere else. */
  readonly saveFirst: boolean;
}

/** Parts of the engine that a session uses. */
interface SessionContext {
  readonly queue: Queue;
  readonly outbox: Outbox;
  /** Called when the run fails, before the page learns of it. */
  readonly onFailure: (error: unknown) => Promise<void>;
}

/** The current run: advanced event by event, so that other tasks can use the model in between. */
export class Session {
  readonly info: RunInfo;
  /** Resolves when the run has ended, for whatever reason, and its resources are freed. */
  readonly ended: Promise<void>;
  readonly #parts: SessionParts;
  readonly #context: SessionContext;
  readonly #saver: RunSaver | undefined;
  readonly #clock: SaveClock;
  readonly #stop = new AbortController();
  #state: RunState;
  #wantsPause = false;
  #paused = Promise.withResolvers<void>();
  #resumed = Promise.withResolvers<void>();
  #step: number;
  #savedStep: number;
  /** Settles when all events so far are in the log, which is written while the next step is computed. */
  #recorded: Promise<void> = Promise.resolve();
  #isReleasing = false;
  #unsaved: string | undefined;

  constructor(parts: SessionParts, context: SessionContext) {
    const { trainer, folder, settings, info } = parts;
    this.info = info;
    this.#parts = parts;
    this.#context = context;
    this.#clock = new SaveClock(checkpointBytes(trainer.model.config));
    this.#step = trainer.step;
    this.#savedStep = parts.saveFirst ? -1 : trainer.step;
    this.#saver = folder && new RunSaver(folder, trainer, settings, (text) => this.#remark(text));
    this.#state = { phase: "training", run: info };
    context.outbox.change({ state: this.#state });
    this.ended = this.#run();
  }

  /** Updates made so far. */
  get step(): number {
    return this.#step;
  }

  get hasEnded(): boolean {
    return ["stopped", "done", "failed"].includes(this.#state.phase);
  }

  /** Resolves when the current step is done and saved, or the run has ended. */
  async pause(): Promise<void> {
    if (this.#state.phase === "training") {
      this.#wantsPause = true;
      this.#setState({ phase: "pausing", run: this.info });
    }
    await Promise.race([this.#paused.promise, this.ended]);
  }

  resume(): void {
    if (!this.#wantsPause || this.#stop.signal.aborted) return;
    this.#setState({ phase: "training", run: this.info });
    this.#unpause();
  }

  /** Ends the run after the current step. Resolves when it has ended. */
  async stop(): Promise<void> {
    if (!this.hasEnded) this.#setState({ phase: "stopping", run: this.info });
    this.#stop.abort();
    this.#unpause();
    await this.ended;
  }

  /** Saves after the current step, unless that is saved already. */
  saveSoon(): void {
    this.#clock.makeDue();
  }

  /** Resolves when the log holds all events so far, or as many as the storage takes. */
  async flush(): Promise<void> {
    if (this.#isReleasing) await this.ended;
    else await this.#record((saver) => saver.flush());
  }

  #unpause(): void {
    this.#wantsPause = false;
    this.#resumed.resolve();
    this.#resumed = Promise.withResolvers();
    this.#paused = Promise.withResolvers();
  }

  async #run(): Promise<void> {
    const run = this.info;
    let phase: "stopped" | "done" | undefined;
    let failure: unknown;
    try {
      phase = await this.#train();
    } catch (error) {
      failure = error;
      await this.#context.onFailure(error);
    }
    const problem = await this.#release();
    if (problem !== undefined) this.#context.outbox.remark(problem);
    if (phase) this.#setState({ phase, run, isSaved: problem === undefined && this.#isSaved });
    else this.#setState({ phase: "failed", run, message: messageOf(failure), isBug: !(failure instanceof LlmError) });
  }

  /** True if the last update and the whole log are in storage. */
  get #isSaved(): boolean {
    return this.#saver !== undefined && this.#saver.problem === undefined && this.#savedStep === this.#step;
  }

  async #train(): Promise<"stopped" | "done"> {
    const { trainer } = this.#parts;
    const saver = this.#saver;
    if (this.#parts.saveFirst) await this.#save();
    const events = runEvents(this.#parts, {
      checkpoint: saver && (() => this.#checkpoint(saver)),
      signal: this.#stop.signal,
    });
    let last: TrainEvent | undefined;
    try {
      for (;;) {
        if (this.#wantsPause) await this.#waitWhilePaused();
        const { value, done } = await this.#context.queue.run(() => events.next());
        if (done) break;
        last = value;
        this.#step = trainer.step;
        this.#report(value);
        if (value.type === "step") this.#clock.add(value.ms);
        if (value.type === "step" && this.#clock.isDue) await this.#save();
        if (trainer.model.backend.threads === 1) await letMessagesIn();
      }
    } finally {
      await events.return();
    }
    const isCut = last?.type === "done" && last.interrupted;
    return isCut ? "stopped" : "done";
  }

  /** Saves, and waits to be resumed or stopped. */
  async #waitWhilePaused(): Promise<void> {
    await this.#save();
    // Resumed or stopped in the meantime.
    if (!this.#wantsPause) return;
    const { promise } = this.#resumed;
    this.#setState({ phase: "paused", run: this.info });
    this.#paused.resolve();
    await promise;
  }

  async #save(): Promise<void> {
    const saver = this.#saver;
    if (!saver || this.step === this.#savedStep) return;
    const start = performance.now();
    const path = await this.#context.queue.run(() => this.#checkpoint(saver));
    this.#clock.saved(performance.now() - start);
    if (path !== undefined) this.#report({ type: "checkpoint", step: this.step, path });
    this.#reportUnsaved();
  }

  /** Writes a checkpoint once all events are logged; resolves to its model's path, undefined if the storage failed. */
  async #checkpoint(saver: RunSaver): Promise<string | undefined> {
    await this.#recorded;
    return this.#context.outbox.during("saving", () => saver.save());
  }

  #report(event: TrainEvent): void {
    const { outbox } = this.#context;
    if (event.type === "checkpoint") this.#savedStep = event.step;
    outbox.event(event);
    // Failures surface where #recorded is awaited.
    this.#record((saver) => saver.record(event)).catch(() => {});
    const note = noteOf(event);
    if (note !== undefined) outbox.remark(note);
  }

  #record(write: (saver: RunSaver) => Promise<void>): Promise<void> {
    const saver = this.#saver;
    if (saver) this.#recorded = this.#recorded.then(() => write(saver)).then(() => this.#reportUnsaved());
    return this.#recorded;
  }

  #setState(state: RunState): void {
    this.#state = state;
    this.#context.outbox.change({ state });
  }

  #reportUnsaved(): void {
    const problem = this.#saver?.problem;
    if (problem === this.#unsaved) return;
    this.#unsaved = problem;
    this.#context.outbox.change({ unsaved: problem ?? null });
  }

  /** Reports why saving fails once, and again only after a save succeeded. */
  #remark(text: string): void {
    if (this.#unsaved === undefined) this.#context.outbox.remark(text);
  }

  /** Frees all resources; resolves to the message of the first failure. */
  async #release(): Promise<string | undefined> {
    const { trainer, folder, loaders } = this.#parts;
    this.#isReleasing = true;
    await Promise.allSettled([this.#recorded]);
    const results = await Promise.allSettled([trainer.dispose(), folder?.close(), closeLoaders(loaders)]);
    const problems = results.filter((result) => result.status === "rejected").map(({ reason }) => reason);
    // A failed backend has nothing left to free.
    const problem = problems.find((reason) => !(reason instanceof BackendError));
    return problem && messageOf(problem);
  }
}
