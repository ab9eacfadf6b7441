/** The page's side of the engine. The worker starts with the first call. */
import { proxy, type Remote, wrap } from "comlink";
import { recalled } from "../remember.ts";
import type {
  ChatAnswer,
  ChatRequest,
  DataInput,
  DataSummary,
  Engine,
  EngineOptions,
  EngineUpdate,
  LookResult,
  StorageInfo,
  WriteOptions,
  WriteResult,
} from "./protocol.ts";
import { revive } from "./revive.ts";

type Listener = (update: EngineUpdate) => void;

/** Calls whose form differs for the page. */
interface PageCalls {
  /** Calls `listener` with every change from now on; resolves to the present state. */
  subscribe(listener: Listener): Promise<EngineUpdate>;
  unsubscribe(listener: Listener): void;
  /** Asks the browser to make the storage persistent; resolves to the storage's state after that. */
  keepStorage(): Promise<StorageInfo>;
  /** Rejects with an AbortError when aborted. */
  prepare(input: DataInput, signal?: AbortSignal): Promise<DataSummary>;
  /** Aborting ends the text early: the result's reason is "interrupted". */
  write(
    prompt: string,
    options: WriteOptions,
    onPiece: (text: string) => void,
    signal?: AbortSignal,
  ): Promise<WriteResult>;
  /** Aborting ends the answer early, likewise. */
  chat(
    request: ChatRequest,
    options: WriteOptions,
    onPiece: (text: string) => void,
    signal?: AbortSignal,
  ): Promise<ChatAnswer>;
  /** Rejects with an AbortError when aborted. */
  look(prompt: string, onProgress?: (share: number) => void, signal?: AbortSignal): Promise<LookResult>;
}

/** Calls that the page replaces or makes by itself. */
type Replaced = keyof PageCalls | "configure" | "storage" | `cancel${string}`;

/**
 * The engine's methods as the page calls them: AbortSignals in place of `cancel…`, any number of listeners, errors of the
 * classes that were thrown.
 */
type EngineClient = PageCalls & Omit<Engine, Replaced>;

type Method = keyof Engine;
type Args<M extends Method> = Parameters<Engine[M]>;
type Result<M extends Method> = Awaited<ReturnType<Engine[M]>>;

/** `options`: read when the worker starts. */
function connect(options: () => EngineOptions): EngineClient {
  const link = new WorkerLink(options);
  const calls: PageCalls = {
    subscribe: (listener) => link.subscribe(listener),
    unsubscribe: (listener) => link.unsubscribe(listener),
    keepStorage: async () => {
      await navigator.storage?.persist?.();
      return link.call("storage");
    },
    prepare: (input, signal) => link.cancellable("prepare", [input], "cancelPrepare", signal),
    write: (prompt, options, onPiece, signal) =>
      link.cancellable("write", [prompt, options, proxy(onPiece)], "cancelWrite", signal),
    chat: (request, options, onPiece, signal) =>
      link.cancellable("chat", [request, options, proxy(onPiece)], "cancelWrite", signal),
    look: (prompt, onProgress = () => {}, signal) =>
      link.cancellable("look", [prompt, proxy(onProgress)], "cancelLook", signal),
  };
  return new Proxy(calls, {
    get: (_, name) => {
      if (Object.hasOwn(calls, name)) return calls[name as keyof PageCalls];
      // Anything with a method `then` counts as a promise.
      if (name === "then") return undefined;
      return (...args: Args<Method>) => link.call(name as Method, ...args);
    },
  }) as EngineClient;
}

/** The worker, and what it last said of itself. */
class WorkerLink {
  readonly #options: () => EngineOptions;
  readonly #listeners = new Set<Listener>();
  #remote: Remote<Engine> | undefined;
  /** Rejects when the worker fails: calls under way get no answer then. */
  #lost: Promise<never> = new Promise(() => {});
  /** All updates so far, merged: the state for further listeners. */
  #latest: Promise<EngineUpdate> | undefined;

  constructor(options: () => EngineOptions) {
    this.#options = options;
  }

  async subscribe(listener: Listener): Promise<EngineUpdate> {
    this.#listeners.add(listener);
    this.#latest ??= this.call(
      "subscribe",
      proxy((update: EngineUpdate) => this.#emit(update)),
    );
    return this.#latest;
  }

  unsubscribe(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  async call<M extends Method>(method: M, ...args: Args<M>): Promise<Result<M>> {
    this.#remote ??= this.#start();
    const remote = this.#remote[method] as unknown as (...args: Args<M>) => Promise<Result<M>>;
    try {
      return await Promise.race([remote(...args), this.#lost]);
    } catch (error) {
      throw revive(error);
    }
  }

  async cancellable<M extends Method>(
    method: M,
    args: Args<M>,
    cancel: Method & `cancel${string}`,
    signal: AbortSignal | undefined,
  ): Promise<Result<M>> {
    signal?.throwIfAborted();
    const onAbort = () => void this.call(cancel);
    signal?.addEventListener("abort", onAbort);
    try {
      return await this.call(method, ...args);
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
        this.#emit({ events: [], remarks: [], activity: null, state: { phase: "failed", message, isBug: true } });
      });
    });
    this.#lost.catch(() => {});
    const engine = wrap<Engine>(worker);
    void engine.configure(this.#options());
    // A hidden page may be discarded, and one that is closed or reloaded has no time left to save.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) void engine.saveSoon();
    });
    return engine;
  }

  #emit(update: EngineUpdate): void {
    this.#latest = this.#latest?.then((latest) => ({ ...latest, ...update, events: [], remarks: [] }));
    for (const listener of this.#listeners) listener(update);
  }
}

/** The backend that was chosen before; `?threads=2&kernel=relaxed-6x8&backend=webgpu&fallback-adapter` in the page's address. */
function optionsOfPage(): EngineOptions {
  const query = new URLSearchParams(location.search);
  const threads = query.get("threads");
  return {
    threads: threads === null ? undefined : Number(threads),
    kernel: query.get("kernel") ?? undefined,
    backend: query.get("backend") ?? recalled("backend"),
    fallbackAdapter: query.has("fallback-adapter"),
  };
}

/** The one engine of this page. */
export const engine = connect(optionsOfPage);
