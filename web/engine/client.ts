/**
 * The page's side of the engine: the same methods, with AbortSignals in place of `cancel…`, any number of listeners, and
 * errors as they were thrown. The worker starts with the first call.
 */
import { proxy, type Remote, wrap } from "comlink";
import type { RunSummary } from "../../src/runs/read-run.ts";
import type {
  DataInput,
  DataSummary,
  DeviceInfo,
  Engine,
  EngineOptions,
  EngineUpdate,
  Estimate,
  ExportFormat,
  LookResult,
  ModelSummary,
  RunDetail,
  RunInfo,
  StorageInfo,
  StoredRun,
  TrainChoice,
  WriteOptions,
  WriteResult,
} from "./protocol.ts";
import { revive } from "./revive.ts";

type Listener = (update: EngineUpdate) => void;

export class EngineClient {
  readonly #options: () => EngineOptions;
  readonly #listeners = new Set<Listener>();
  #remote: Remote<Engine> | undefined;
  /** Rejects when the worker is lost: nothing that it was asked will be answered then. */
  #lost: Promise<never> = new Promise(() => {});
  /** What all updates so far come to. */
  #latest: Promise<EngineUpdate> | undefined;

  constructor(options: () => EngineOptions) {
    this.#options = options;
  }

  device(): Promise<DeviceInfo> {
    return this.#ask((engine) => engine.device());
  }

  /** Tells `listener` every change from now on; gives the state as it is. */
  async subscribe(listener: Listener): Promise<EngineUpdate> {
    this.#listeners.add(listener);
    this.#latest ??= this.#ask((engine) => engine.subscribe(proxy((update: EngineUpdate) => this.#tell(update))));
    return this.#latest;
  }

  unsubscribe(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Asks the browser to keep what is stored; tells how it stands then. */
  async keepStorage(): Promise<StorageInfo> {
    await navigator.storage?.persist?.();
    return this.#ask((engine) => engine.storage());
  }

  /** Aborting rejects with an AbortError. */
  prepare(input: DataInput, signal?: AbortSignal): Promise<DataSummary> {
    return this.#cancellable(
      (engine) => engine.prepare(input),
      (engine) => engine.cancelPrepare(),
      signal,
    );
  }

  estimate(choice: TrainChoice): Promise<Estimate> {
    return this.#ask((engine) => engine.estimate(choice));
  }

  start(choice: TrainChoice): Promise<RunInfo> {
    return this.#ask((engine) => engine.start(choice));
  }

  pause(): Promise<void> {
    return this.#ask((engine) => engine.pause());
  }

  resume(): Promise<void> {
    return this.#ask((engine) => engine.resume());
  }

  stop(): Promise<void> {
    return this.#ask((engine) => engine.stop());
  }

  /** Saves after the step under way. The page need not ask for it when it is hidden. */
  saveSoon(): Promise<void> {
    return this.#ask((engine) => engine.saveSoon());
  }

  /** Aborting ends the text: its result says so. */
  write(
    prompt: string,
    options: WriteOptions,
    onPiece: (text: string) => void,
    signal?: AbortSignal,
  ): Promise<WriteResult> {
    return this.#cancellable(
      (engine) => engine.write(prompt, options, proxy(onPiece)),
      (engine) => engine.cancelWrite(),
      signal,
    );
  }

  /** Aborting rejects with an AbortError. */
  look(prompt: string, onProgress: (share: number) => void = () => {}, signal?: AbortSignal): Promise<LookResult> {
    return this.#cancellable(
      (engine) => engine.look(prompt, proxy(onProgress)),
      (engine) => engine.cancelLook(),
      signal,
    );
  }

  open(files: readonly File[]): Promise<ModelSummary> {
    return this.#ask((engine) => engine.open(files));
  }

  export(format: ExportFormat): Promise<File[]> {
    return this.#ask((engine) => engine.export(format));
  }

  stored(): Promise<StoredRun[]> {
    return this.#ask((engine) => engine.stored());
  }

  continueRun(name: string): Promise<RunInfo> {
    return this.#ask((engine) => engine.continueRun(name));
  }

  openRun(name: string): Promise<ModelSummary> {
    return this.#ask((engine) => engine.openRun(name));
  }

  deleteRun(name: string): Promise<void> {
    return this.#ask((engine) => engine.deleteRun(name));
  }

  summaries(): Promise<RunSummary[]> {
    return this.#ask((engine) => engine.summaries());
  }

  detail(name: string): Promise<RunDetail> {
    return this.#ask((engine) => engine.detail(name));
  }

  columns(name: string): Promise<ArrayBuffer> {
    return this.#ask((engine) => engine.columns(name));
  }

  async #ask<T>(question: (engine: Remote<Engine>) => Promise<T>): Promise<T> {
    this.#remote ??= this.#start();
    try {
      return await Promise.race([question(this.#remote), this.#lost]);
    } catch (error) {
      throw revive(error);
    }
  }

  async #cancellable<T>(
    question: (engine: Remote<Engine>) => Promise<T>,
    cancel: (engine: Remote<Engine>) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    signal?.throwIfAborted();
    const onAbort = () => void this.#ask(cancel);
    signal?.addEventListener("abort", onAbort);
    try {
      return await this.#ask(question);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #start(): Remote<Engine> {
    const worker = new Worker(new URL("./engine-worker.ts", import.meta.url), { type: "module" });
    this.#lost = new Promise((_, reject) => {
      worker.addEventListener("error", (event) => {
        const message = `The worker that computes was lost: ${event.message || "its script could not be loaded"}`;
        reject(new Error(message));
        this.#tell({ events: [], remarks: [], activity: null, state: { phase: "failed", message, isBug: true } });
      });
    });
    this.#lost.catch(() => {});
    const engine = wrap<Engine>(worker);
    void engine.configure(this.#options());
    // It may never come back. A page that is closed or loaded anew has no time left: its worker ends at once.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) void engine.saveSoon();
    });
    return engine;
  }

  #tell(update: EngineUpdate): void {
    this.#latest = this.#latest?.then((latest) => ({ ...latest, ...update, events: [], remarks: [] }));
    for (const listener of this.#listeners) listener(update);
  }
}

/** `?threads=2&kernel=relaxed-6x8` in the page's address. */
function optionsOfAddress(): EngineOptions {
  const query = new URLSearchParams(location.search);
  const threads = query.get("threads");
  return { threads: threads === null ? undefined : Number(threads), kernel: query.get("kernel") ?? undefined };
}

/** The one engine of this page. */
export const engine = new EngineClient(optionsOfAddress);
