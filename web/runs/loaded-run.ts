import { signal } from "@preact/signals";
import { messageOf } from "../../src/errors.ts";
import type { RunSample } from "../../src/runs/columns.ts";
import type { RunDetail } from "../engine/protocol.ts";
import { RunData } from "./run-data.ts";
import { parseKey, type RunKey } from "./selection.ts";
import { tokensPerUpdate } from "./settings.ts";
import type { Bytes, RunSource } from "./source.ts";

/** Lines that come within this time are drawn together. */
const TOGETHER_MS = 120;

/** A run that is looked at, with its numbers, samples and settings as far as they have come. */
export class LoadedRun {
  readonly key: RunKey;
  readonly name: string;
  readonly detail = signal<RunDetail | undefined>(undefined);
  /** Why it could not be read. */
  readonly problem = signal<string | undefined>(undefined);
  /** Changes with the numbers. */
  readonly version = signal(0);
  readonly #source: RunSource;
  #data: RunData | undefined;
  /** Counts the times that it was read: what an earlier reading gives is of no use. */
  #reading = 0;
  /** What came since it is being read; of this, what is read may hold a part. */
  #arrived: [lines: readonly string[], bytes: Bytes | undefined][] | undefined;
  #soon: ReturnType<typeof setTimeout> | undefined;

  constructor(key: RunKey, source: RunSource) {
    this.key = key;
    this.name = parseKey(key).name;
    this.#source = source;
    void this.load();
  }

  get data(): RunData | undefined {
    return this.#data;
  }

  /** In order, each update once: those made again after a resume count. */
  get samples(): readonly RunSample[] {
    const later = this.#data?.newSamples ?? [];
    const first = later[0]?.step ?? Infinity;
    return [...(this.detail.value?.samples ?? []).filter(({ step }) => step < first), ...later];
  }

  async load(): Promise<void> {
    const reading = ++this.#reading;
    this.#arrived = [];
    try {
      // In this order: a sample that the numbers end behind is among the details, and one after it arrives.
      const columns = await this.#source.columns(this.name);
      const detail = await this.#source.detail(this.name);
      if (reading !== this.#reading) return;
      const data = new RunData(columns, tokensPerUpdate(detail.config));
      const isWhole = this.#arrived.every(([lines, bytes]) => data.append(lines, bytes));
      this.#data = data;
      this.detail.value = detail;
      this.problem.value = undefined;
      this.version.value++;
      this.#arrived = undefined;
      if (!isWhole) void this.load();
    } catch (error) {
      if (reading !== this.#reading) return;
      this.problem.value = messageOf(error);
      this.#arrived = undefined;
    }
  }

  append(lines: readonly string[], bytes: Bytes | undefined): void {
    this.#arrived?.push([lines, bytes]);
    if (!this.#data) return;
    if (!this.#data.append(lines, bytes)) void this.load();
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.version.value++;
    }, TOGETHER_MS);
  }
}
