import { signal } from "@preact/signals";
import { messageOf } from "../../src/errors.ts";
import type { RunSample } from "../../src/runs/columns.ts";
import type { RunDetail } from "../engine/protocol.ts";
import { RunData } from "./run-data.ts";
import { parseKey, type RunKey } from "./selection.ts";
import { tokensPerUpdate } from "./settings.ts";
import type { Bytes, RunSource } from "./source.ts";

/** Milliseconds within which new lines are drawn together. */
const DRAW_EVERY_MS = 120;

/** A selected run, with its data, samples and settings as far as they are loaded. */
export class LoadedRun {
  readonly key: RunKey;
  readonly name: string;
  readonly detail = signal<RunDetail | undefined>(undefined);
  /** Reason for which it could not be read. */
  readonly problem = signal<string | undefined>(undefined);
  /** Changes with the data. */
  readonly version = signal(0);
  readonly #source: RunSource;
  #data: RunData | undefined;
  /** Number of the newest load: results of earlier ones are dropped. */
  #load = 0;
  /** Lines that arrived during the load, whose result may contain some of them. */
  #arrived: [lines: readonly string[], bytes: Bytes | undefined][] | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(key: RunKey, source: RunSource) {
    this.key = key;
    this.name = parseKey(key).name;
    this.#source = source;
    void this.load();
  }

  get data(): RunData | undefined {
    return this.#data;
  }

  /** In order, one per update: the last, if a resumed run repeated it. */
  get samples(): readonly RunSample[] {
    const later = this.#data?.newSamples ?? [];
    const first = later[0]?.step ?? Infinity;
    return [...(this.detail.value?.samples ?? []).filter(({ step }) => step < first), ...later];
  }

  async load(): Promise<void> {
    const load = ++this.#load;
    this.#arrived = [];
    try {
      // In this order, samples up to the end of the columns are in the details, and later ones arrive as lines.
      const columns = await this.#source.columns(this.name);
      const detail = await this.#source.detail(this.name);
      if (load !== this.#load) return;
      const data = new RunData(columns, tokensPerUpdate(detail.config));
      const isComplete = this.#arrived.every(([lines, bytes]) => data.append(lines, bytes));
      this.#data = data;
      this.detail.value = detail;
      this.problem.value = undefined;
      this.version.value++;
      this.#arrived = undefined;
      if (!isComplete) void this.load();
    } catch (error) {
      if (load !== this.#load) return;
      this.problem.value = messageOf(error);
      this.#arrived = undefined;
    }
  }

  append(lines: readonly string[], bytes: Bytes | undefined): void {
    this.#arrived?.push([lines, bytes]);
    if (!this.#data) return;
    if (!this.#data.append(lines, bytes)) void this.load();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.version.value++;
    }, DRAW_EVERY_MS);
  }
}
