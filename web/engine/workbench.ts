import type { Backend } from "../../src/backend/backend.ts";
import { BackendError, UsageError } from "../../src/errors.ts";
import { decide as decideFor, type StepShape } from "./auto.ts";
import type { Device } from "./device.ts";
import { type LoadedModel, ModelSlot, summaryOf } from "./model-slot.ts";
import type { Outbox } from "./outbox.ts";
import type { BackendChoice, ModelSummary, RunInfo } from "./protocol.ts";
import { Queue } from "./queue.ts";
import { Session, type SessionParts } from "./session.ts";
import type { StartContext } from "./start.ts";

/** The loaded model, and the run that trains it. */
export class Workbench {
  /** Tasks on the backend; others take their turn between two steps of a run. */
  readonly queue = new Queue();
  readonly #device: Device;
  readonly #outbox: Outbox;
  readonly #slot = new ModelSlot();
  #session: Session | undefined;
  /** Updates of the model when it was loaded. */
  #stepLoaded: number | undefined;
  #isChanging = false;

  constructor(device: Device, outbox: Outbox) {
    this.#device = device;
    this.#outbox = outbox;
    outbox.change({ state: { phase: "idle" } });
  }

  get model(): LoadedModel | undefined {
    return this.#slot.loaded;
  }

  /** The current run, or the last one. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** The model with its present number of updates. */
  summary(loaded: LoadedModel): ModelSummary {
    return summaryOf(loaded, this.#session?.step ?? this.#stepLoaded);
  }

  /** Starts a run that `make` prepares. If that fails, the state is as before, except for a model that was replaced. */
  start(runs: string | undefined, make: (context: StartContext) => Promise<SessionParts>): Promise<RunInfo> {
    return this.#change(async () => {
      const { state } = this.#outbox.status;
      // Nothing else may compute while steps are timed.
      const decide = (shape: StepShape) =>
        this.queue.run(() =>
          this.#outbox.during("measuring", (onProgress) => decideFor(this.#device, shape, onProgress)),
        );
      this.#outbox.change({ state: { phase: "creating" } });
      try {
        const parts = await this.#outbox.during("creating", async (onProgress) => {
          const remark = (text: string) => this.#outbox.remark(text);
          return make({ device: this.#device, decide, slot: this.#slot, runs, onProgress, remark });
        });
        await this.#take(parts.trainer.model.backend);
        this.#outbox.change({ model: parts.info.model, unsaved: parts.unkept ?? null });
        const { queue } = this;
        this.#session = new Session(parts, { queue, outbox: this.#outbox, onFailure: (error) => this.#failed(error) });
        return parts.info;
      } catch (error) {
        this.#outbox.change({ state });
        await this.#failed(error);
        throw error;
      }
    });
  }

  /** Chooses the backend, and moves the loaded model there. If that fails, nothing has changed. */
  choose(choice: BackendChoice): Promise<void> {
    return this.#change(() =>
      this.#outbox.during("starting", async () => {
        const backend = await this.#device.choose(choice);
        await this.#slot.moveTo(backend);
        await this.#take(backend);
      }),
    );
  }

  /** Replaces the loaded model, which stays if that fails. */
  load(read: () => Promise<LoadedModel & { readonly step?: number }>): Promise<ModelSummary> {
    return this.#change(() =>
      this.#outbox.during("opening", async () => {
        let step: number | undefined;
        const loaded = await this.#slot.replace(async () => {
          const found = await read();
          step = found.step;
          return found;
        });
        this.#session = undefined;
        this.#stepLoaded = step;
        const model = this.summary(loaded);
        this.#outbox.change({ model, state: { phase: "idle" }, unsaved: null });
        return model;
      }),
    );
  }

  /** Runs a task on the model: see `ModelSlot.use`. */
  async use<T>(task: (loaded: LoadedModel, signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await this.#slot.use(task);
    } catch (error) {
      await this.#failed(error);
      throw error;
    }
  }

  async #change<T>(task: () => Promise<T>): Promise<T> {
    if (this.#isChanging) throw new UsageError("A model is being created or opened. Wait for it.");
    if (this.#session && !this.#session.hasEnded) throw new UsageError("A run is under way. Stop it first.");
    this.#isChanging = true;
    try {
      return await task();
    } finally {
      this.#isChanging = false;
    }
  }

  /** Takes a backend into use. */
  async #take(backend: Backend): Promise<void> {
    await this.#device.keepOnly(backend);
    this.#outbox.change({ device: await this.#device.backendInfo() });
  }

  /** Drops backends that have failed, and the model of one of them. */
  async #failed(error: unknown): Promise<void> {
    if (!(error instanceof BackendError)) return;
    const failed = await this.#device.dropFailed();
    const { model } = this;
    if (!model || !failed.has(model.model.backend)) return;
    this.#slot.forget();
    this.#outbox.change({ model: null });
  }
}
