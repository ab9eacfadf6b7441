import { GPT2 } from "../../src/api/gpt2.ts";
import type { BackendName } from "../../src/backend/registry.ts";
import { inspect } from "../../src/inspect/inspect.ts";
import { inFolder } from "../../src/platform/paths.ts";
import { encodeColumns, readColumns } from "../../src/runs/columns.ts";
import type { RunSummary } from "../../src/runs/read-run.ts";
import { RunFolder } from "../../src/runs/run-folder.ts";
import { decideResumed } from "./auto.ts";
import { readChoice } from "./choice.ts";
import { DataStore } from "./data-store.ts";
import { Device } from "./device.ts";
import { estimateOf } from "./estimate.ts";
import { exportFiles } from "./exports.ts";
import { openModel } from "./opening.ts";
import { Outbox } from "./outbox.ts";
import type * as protocol from "./protocol.ts";
import { detail, folderOfRun, newestModel, storedRuns, summaries } from "./runs.ts";
import { resumeRun, startNewRun } from "./start.ts";
import { TabStorage } from "./tab-storage.ts";
import { Workbench } from "./workbench.ts";
import { answer, writeText } from "./writing.ts";

/** The engine of the studio's tab, used by the worker and by tests in Node: computes, and keeps files. */
export class StudioEngine implements protocol.Engine {
  readonly #storage: TabStorage;
  readonly #runs: string;
  readonly #outbox = new Outbox();
  readonly #device = new Device(this.#outbox);
  readonly #bench = new Workbench(this.#device, this.#outbox);
  readonly #data: DataStore;
  #writing = new AbortController();
  #looking = new AbortController();

  /** `root`: folder of all files, `opfs:/` in a tab. */
  constructor(root: string) {
    this.#storage = new TabStorage(root);
    this.#runs = inFolder(root, "runs");
    this.#data = new DataStore(inFolder(root, "data"), this.#runs);
  }

  async configure(options: protocol.EngineOptions): Promise<void> {
    this.#device.configure(options);
  }

  async device(): Promise<protocol.DeviceInfo> {
    return { ...(await this.#device.info()), storage: await this.storage() };
  }

  async choose(choice: protocol.BackendChoice): Promise<protocol.DeviceInfo> {
    await this.#bench.choose(choice);
    return this.device();
  }

  storage(): Promise<protocol.StorageInfo> {
    return this.#storage.info();
  }

  async subscribe(listener: (update: protocol.EngineUpdate) => void): Promise<protocol.EngineUpdate> {
    return this.#outbox.subscribe(listener);
  }

  async prepare(input: protocol.DataInput): Promise<protocol.DataSummary> {
    const storage = await this.storage();
    const { summary } = await this.#outbox.during("preparing", (onProgress) =>
      this.#data.prepare(input, { storage, model: this.#bench.model?.model.tokenizer, onProgress }),
    );
    this.#outbox.change({ data: summary });
    return summary;
  }

  async cancelPrepare(): Promise<void> {
    this.#data.cancel();
  }

  async estimate(choice: protocol.TrainChoice): Promise<protocol.Estimate> {
    const data = this.#data.require();
    const read = readChoice(choice, data, this.#bench.model);
    return estimateOf(read, data, this.#device, this.#bench.queue, await this.storage());
  }

  async start(choice: protocol.TrainChoice): Promise<protocol.RunInfo> {
    // Files in memory would compete with the model for memory, and be lost with the tab.
    const isKept = (await this.storage()).kind !== "memory";
    return this.#bench.start(isKept ? `${this.#runs}/` : undefined, async (context) => {
      const data = this.#data.require();
      return startNewRun(readChoice(choice, data, this.#bench.model), data, context);
    });
  }

  resumeRun(name: string, backend?: BackendName): Promise<protocol.RunInfo> {
    const decide = async (before: BackendName) => ({ name: backend ?? (await decideResumed(this.#device, before)) });
    return this.#bench.start(`${this.#runs}/`, async (context) => {
      const { data, ...parts } = await resumeRun(folderOfRun(this.#runs, name), context, decide);
      await this.#data.adopt(data);
      this.#outbox.change({ data: data.summary });
      return parts;
    });
  }

  async pause(): Promise<void> {
    await this.#bench.session?.pause();
  }

  async resume(): Promise<void> {
    this.#bench.session?.resume();
  }

  async stop(): Promise<void> {
    await this.#bench.session?.stop();
  }

  async saveSoon(): Promise<void> {
    this.#bench.session?.saveSoon();
  }

  write(
    prompt: string,
    options: protocol.WriteOptions,
    onPiece: (text: string) => void,
  ): Promise<protocol.WriteResult> {
    this.#writing.abort();
    this.#writing = new AbortController();
    const cancelled = this.#writing.signal;
    return this.#bench.use(async (loaded, leaving) => {
      const signal = AbortSignal.any([cancelled, leaving]);
      const result = await writeText(loaded.model, prompt, options, this.#bench.queue, onPiece, signal);
      return { ...result, step: this.#bench.summary(loaded).step };
    });
  }

  chat(
    request: protocol.ChatRequest,
    options: protocol.WriteOptions,
    onPiece: (text: string) => void,
  ): Promise<protocol.ChatAnswer> {
    this.#writing.abort();
    this.#writing = new AbortController();
    const cancelled = this.#writing.signal;
    return this.#bench.use((loaded, leaving) =>
      answer(loaded.model, request, options, this.#bench.queue, onPiece, AbortSignal.any([cancelled, leaving])),
    );
  }

  async cancelWrite(): Promise<void> {
    this.#writing.abort();
  }

  look(prompt: string, onProgress: (share: number) => void): Promise<protocol.LookResult> {
    this.#looking.abort();
    this.#looking = new AbortController();
    const cancelled = this.#looking.signal;
    return this.#bench.use((loaded, leaving) =>
      this.#bench.queue.run(async () => {
        const signal = AbortSignal.any([cancelled, leaving]);
        signal.throwIfAborted();
        const start = performance.now();
        const inspection = await inspect(loaded.model, prompt, { onProgress, signal });
        return { inspection, model: this.#bench.summary(loaded), ms: performance.now() - start };
      }),
    );
  }

  async cancelLook(): Promise<void> {
    this.#looking.abort();
  }

  open(files: readonly File[]): Promise<protocol.ModelSummary> {
    return this.#bench.load(async () => openModel(files, await this.#device.backend()));
  }

  openRun(name: string): Promise<protocol.ModelSummary> {
    return this.#bench.load(async () => {
      const { path, step } = await newestModel(this.#runs, name);
      return { name, step, model: await GPT2.load(path, { backend: await this.#device.backend() }) };
    });
  }

  export(format: protocol.ExportFormat): Promise<File[]> {
    return this.#bench.use((loaded) =>
      this.#outbox.during("exporting", () => this.#bench.queue.run(() => exportFiles(loaded, format))),
    );
  }

  async stored(): Promise<protocol.StoredRun[]> {
    return storedRuns(await this.#flushedRuns());
  }

  async deleteRun(name: string): Promise<void> {
    await RunFolder.remove(folderOfRun(this.#runs, name));
    await this.#data.sweep();
  }

  async summaries(): Promise<RunSummary[]> {
    return summaries(await this.#flushedRuns());
  }

  async detail(name: string): Promise<protocol.RunDetail> {
    return detail(await this.#flushedRuns(), name);
  }

  async columns(name: string): Promise<ArrayBuffer> {
    return encodeColumns(await readColumns(folderOfRun(await this.#flushedRuns(), name)));
  }

  /** The folder of all runs, once the current run's log is flushed. */
  async #flushedRuns(): Promise<string> {
    await this.#bench.session?.flush();
    return this.#runs;
  }

  /** Stops the run and the backend; for tests, since a tab just ends. */
  async dispose(): Promise<void> {
    await this.stop();
    await this.#device.dispose();
  }
}
