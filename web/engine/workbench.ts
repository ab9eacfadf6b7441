import { BackendError, UsageError } from "../../src/errors.ts";
import type { Device } from "./device.ts";
import { type LoadedModel, summaryOf } from "./loaded-model.ts";
import { ModelSlot } from "./model-slot.ts";
import type { Outbox } from "./outbox.ts";
import type { ModelSummary, RunInfo } from "./protocol.ts";
import { Queue } from "./queue.ts";
import { Session, type SessionParts } from "./session.ts";
import type { StartContext } from "./start.ts";

/** The model that is there, and the run that trains it. */
export class Workbench {
  /** For the backend: between two steps of a run, others may have it. */
  readonly queue = new Queue();
  readonly #device: Device;
  readonly #outbox: Outbox;
  readonly #slot = new ModelSlot();
  #session: Session | undefined;
  /** Updates that the model had when it was read. */
  #stepRead: number | undefined;
  #isChanging = false;

  constructor(device: Device, outbox: Outbox) {
    this.#device = device;
    this.#outbox = outbox;
    outbox.change({ state: { phase: "idle" } });
  }

  get model(): LoadedModel | undefined {
    return this.#slot.loaded;
  }

  /** The run that is there, under way or ended. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** The model and the updates that it has by now. */
  summary(loaded: LoadedModel): ModelSummary {
    return summaryOf(loaded, this.#session?.step ?? this.#stepRead);
  }

  /** Starts a run that `make` prepares. Where that fails, all is as it was, but for a model that had to go. */
  start(runs: string | undefined, make: (context: StartContext) => Promise<SessionParts>): Promise<RunInfo> {
    return this.#change(async () => {
      const { state } = this.#outbox.status;
      this.#outbox.change({ state: { phase: "creating" } });
      try {
        const parts = await this.#outbox.during("creating", async (onProgress) => {
          const remark = (text: string) => this.#outbox.remark(text);
          return make({ backend: await this.#device.backend(), slot: this.#slot, runs, onProgress, remark });
        });
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

  /** Puts another model in the place of the one that is there; that one stays where this fails. */
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
        this.#stepRead = step;
        const model = this.summary(loaded);
        this.#outbox.change({ model, state: { phase: "idle" }, unsaved: null });
        return model;
      }),
    );
  }

  /** Does something with the model, which stays until that has ended: see `ModelSlot.use`. */
  async use<T>(task: (loaded: LoadedModel, signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await this.#slot.use(task);
    } catch (error) {
      await this.#failed(error);
      throw error;
    }
  }

  async #change<T>(task: () => Promise<T>): Promise<T> {
    if (this.#isChanging) throw new UsageError("A model is being made or opened. Wait for it.");
    if (this.#session && !this.#session.hasEnded) throw new UsageError("A run is under way. Stop it first.");
    this.#isChanging = true;
    try {
      return await task();
    } finally {
      this.#isChanging = false;
    }
  }

  /** A backend that failed takes all that it held with it. */
  async #failed(error: unknown): Promise<void> {
    if (!(error instanceof BackendError)) return;
    this.#slot.forget();
    this.#outbox.change({ model: null });
    await this.#device.drop();
  }
}
