import { BackendError, LlmError, messageOf } from "../../src/errors.ts";
import { Keeper } from "../../src/runs/keeper.ts";
import type { RunFolder } from "../../src/runs/run-folder.ts";
import { noteOf, type TrainEvent } from "../../src/train/events.ts";
import type { Loaders } from "../../src/train/loaders.ts";
import type { Seeds, TrainSettings } from "../../src/train/settings.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { runOptions, type Updates } from "../../src/train/updates.ts";
import { checkpointBytes } from "./estimate.ts";
import type { Outbox } from "./outbox.ts";
import type { RunInfo, RunState } from "./protocol.ts";
import { letMessagesIn, type Queue } from "./queue.ts";
import { SaveClock } from "./save-clock.ts";

/** A run, ready to begin or to go on. */
export interface SessionParts {
  readonly trainer: Trainer;
  /** Undefined where the storage takes nothing. */
  readonly folder: RunFolder | undefined;
  /** Why it does not. */
  readonly unkept?: string;
  readonly loaders: Loaders;
  readonly settings: TrainSettings;
  readonly updates: Updates;
  readonly seeds: Seeds;
  readonly info: RunInfo;
  /** The weights it starts from are in no other place: they are saved first. */
  readonly saveFirst: boolean;
}

/** What a session shares with the rest of the engine. */
export interface Surroundings {
  readonly queue: Queue;
  readonly outbox: Outbox;
  /** Told why the run failed, before anybody else is. */
  readonly onFailure: (error: unknown) => Promise<void>;
}

/** A run under way: pulled event by event, between which others may use the model. */
export class Session {
  readonly info: RunInfo;
  /** Resolves when the run has ended, however it did, and has given back what it held. */
  readonly ended: Promise<void>;
  readonly #parts: SessionParts;
  readonly #around: Surroundings;
  readonly #keeper: Keeper | undefined;
  readonly #clock: SaveClock;
  readonly #stop = new AbortController();
  #state: RunState;
  #wantsPause = false;
  #paused = Promise.withResolvers<void>();
  #resumed = Promise.withResolvers<void>();
  #step: number;
  #savedStep: number;
  /** Settles when all events so far are written down: that goes on while the next step is computed. */
  #recorded: Promise<void> = Promise.resolve();
  #isGivingBack = false;
  #unsaved: string | undefined;

  constructor(parts: SessionParts, around: Surroundings) {
    const { trainer, folder, settings, info } = parts;
    this.info = info;
    this.#parts = parts;
    this.#around = around;
    this.#clock = new SaveClock(checkpointBytes(trainer.model.config));
    this.#step = trainer.step;
    this.#savedStep = parts.saveFirst ? -1 : trainer.step;
    this.#keeper = folder && new Keeper(folder, trainer, settings, (text) => this.#remark(text));
    this.#state = { phase: "training", run: info };
    around.outbox.change({ state: this.#state });
    this.ended = this.#run();
  }

  /** Updates made. */
  get step(): number {
    return this.#step;
  }

  get hasEnded(): boolean {
    return ["stopped", "done", "failed"].includes(this.#state.phase);
  }

  /** Resolves when the step under way is done and saved, or the run has ended. */
  async pause(): Promise<void> {
    if (this.#state.phase === "training") {
      this.#wantsPause = true;
      this.#tell({ phase: "pausing", run: this.info });
    }
    await Promise.race([this.#paused.promise, this.ended]);
  }

  resume(): void {
    if (!this.#wantsPause || this.#stop.signal.aborted) return;
    this.#tell({ phase: "training", run: this.info });
    this.#goOn();
  }

  /** Ends the run after the step under way. Resolves when it has ended. */
  async stop(): Promise<void> {
    if (!this.hasEnded) this.#tell({ phase: "stopping", run: this.info });
    this.#stop.abort();
    this.#goOn();
    await this.ended;
  }

  /** Saves after the step under way, unless the newest state is in storage. */
  saveSoon(): void {
    this.#clock.makeDue();
  }

  /** Resolves when the log holds all that happened so far, or as much as the storage takes. */
  async writeDown(): Promise<void> {
    if (this.#isGivingBack) await this.ended;
    else await this.#record((keeper) => keeper.flush());
  }

  #goOn(): void {
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
      phase = await this.#pull();
    } catch (error) {
      failure = error;
      await this.#around.onFailure(error);
    }
    const problem = await this.#giveBack();
    if (problem !== undefined) this.#around.outbox.remark(problem);
    if (phase) this.#tell({ phase, run, isSaved: problem === undefined && this.#isSaved });
    else this.#tell({ phase: "failed", run, message: messageOf(failure), isBug: !(failure instanceof LlmError) });
  }

  /** Whether the last update and the whole log are in storage. */
  get #isSaved(): boolean {
    return this.#keeper !== undefined && this.#keeper.problem === undefined && this.#savedStep === this.#step;
  }

  async #pull(): Promise<"stopped" | "done"> {
    const { trainer, settings, updates, seeds, loaders } = this.#parts;
    const keeper = this.#keeper;
    if (this.#parts.saveFirst) await this.#save();
    const events = trainer.run(loaders.train, {
      ...runOptions(settings, updates, seeds, loaders, trainer.step),
      checkpoint: keeper && (() => this.#checkpoint(keeper)),
      signal: this.#stop.signal,
    });
    let last: TrainEvent | undefined;
    try {
      for (;;) {
        if (this.#wantsPause) await this.#rest();
        const { value, done } = await this.#around.queue.run(() => events.next());
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

  /** Saves, and waits until it is to go on. */
  async #rest(): Promise<void> {
    await this.#save();
    // Resumed or stopped meanwhile.
    if (!this.#wantsPause) return;
    const { promise } = this.#resumed;
    this.#tell({ phase: "paused", run: this.info });
    this.#paused.resolve();
    await promise;
  }

  async #save(): Promise<void> {
    const keeper = this.#keeper;
    if (!keeper || this.step === this.#savedStep) return;
    const start = performance.now();
    const path = await this.#around.queue.run(() => this.#checkpoint(keeper));
    this.#clock.saved(performance.now() - start);
    if (path !== undefined) this.#report({ type: "checkpoint", step: this.step, path });
    this.#tellUnsaved();
  }

  /** Writes a checkpoint behind all that was recorded; gives its model's path, where that could be done. */
  async #checkpoint(keeper: Keeper): Promise<string | undefined> {
    await this.#recorded;
    return this.#around.outbox.during("saving", () => keeper.save());
  }

  #report(event: TrainEvent): void {
    const { outbox } = this.#around;
    if (event.type === "checkpoint") this.#savedStep = event.step;
    outbox.event(event);
    // What goes wrong is found where it is awaited.
    this.#record((keeper) => keeper.record(event)).catch(() => {});
    const note = noteOf(event);
    if (note !== undefined) outbox.remark(note);
  }

  #record(write: (keeper: Keeper) => Promise<void>): Promise<void> {
    const keeper = this.#keeper;
    if (keeper) this.#recorded = this.#recorded.then(() => write(keeper)).then(() => this.#tellUnsaved());
    return this.#recorded;
  }

  #tell(state: RunState): void {
    this.#state = state;
    this.#around.outbox.change({ state });
  }

  #tellUnsaved(): void {
    const problem = this.#keeper?.problem;
    if (problem === this.#unsaved) return;
    this.#unsaved = problem;
    this.#around.outbox.change({ unsaved: problem ?? null });
  }

  /** Says once why nothing is saved, and not again until something was. */
  #remark(text: string): void {
    if (this.#unsaved === undefined) this.#around.outbox.remark(text);
  }

  /** Why something could not be given back in order. */
  async #giveBack(): Promise<string | undefined> {
    const { trainer, folder, loaders } = this.#parts;
    this.#isGivingBack = true;
    await Promise.allSettled([this.#recorded]);
    const results = await Promise.allSettled([
      trainer.dispose(),
      folder?.close(),
      loaders.train.close(),
      loaders.val?.close(),
    ]);
    const problems = results.filter((result) => result.status === "rejected").map(({ reason }) => reason);
    // A backend that failed has nothing left to give back.
    const problem = problems.find((reason) => !(reason instanceof BackendError));
    return problem && messageOf(problem);
  }
}
