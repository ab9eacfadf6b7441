import { platform } from "#platform";
import type { GPT2 } from "../api/gpt2.ts";
import { InputError } from "../errors.ts";
import { save } from "../format/save.ts";
import { writeVocabulary } from "../format/tokenizer.ts";
import { type TrainEvent, toJsonLine, toLogLine } from "./events.ts";

/** Files by which a folder is known to hold a run. */
const runFiles = ["config.json", "metrics.jsonl", "main.log"];

const mostNumbered = 99_999;

/** How long a step's line may wait to be written: opening two files for each of a small model's steps slows them. */
const WRITE_EVERY_MS = 250;

/**
 * What a run leaves on disk: config.json (all that is needed to repeat it), metrics.jsonl (every event as `--json`
 * prints it), main.log (llm.c's lines), tokenizer.bin, and model_%08d.bin for every checkpoint, by its updates.
 */
export class RunFolder {
  readonly path: string;
  /** Lines that wait to be written. */
  #metrics = "";
  #log = "";
  #written = 0;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes `path` a run folder. A path that ends in a slash gets a new numbered folder inside, named after the model:
   * runs/ becomes runs/baby-001. `settings` goes into config.json beside what the model itself tells. InputError when
   * the folder already holds a run, is a file, or cannot be written.
   */
  static async create(
    path: string,
    model: GPT2,
    modelName: string,
    settings: Readonly<Record<string, unknown>> = {},
  ): Promise<RunFolder> {
    const folder = new RunFolder(/[/\\]$/.test(path) ? await makeNumbered(path, modelName) : await makeNamed(path));
    const { backend, config, tokenizer } = model;
    const { name, threads, fma, description } = backend;
    const content = {
      created: new Date().toISOString(),
      model: { name: modelName, ...config, tokenizer: tokenizer?.kind },
      backend: { name, threads, fma, description },
      ...settings,
    };
    await save(folder.file("config.json"), (sink) =>
      sink.write(new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`)),
    );
    if (tokenizer)
      await save(folder.file("tokenizer.bin"), (sink) =>
        writeVocabulary(sink, tokenizer.tokens(), tokenizer.endOfText),
      );
    return folder;
  }

  /** InputError when `create` could make no run folder of `path`: worth knowing before long work. */
  static async check(path: string): Promise<void> {
    const isParent = /[/\\]$/.test(path);
    if (isParent) await platform.makeFolder(path);
    const folder = isParent ? path.replace(/[/\\]+$/, "") : await makeNamed(path);
    const probe = await platform.createSink(`${folder}/.llm-ts`);
    await probe.abort();
  }

  /** The path of a file in this folder. */
  file(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Writes an event down: a step within a quarter of a second, everything else, and all before it, at once. */
  async record(event: TrainEvent): Promise<void> {
    this.#metrics += toJsonLine(event);
    this.#log += toLogLine(event) ?? "";
    if (event.type !== "step" || performance.now() - this.#written >= WRITE_EVERY_MS) await this.flush();
  }

  /** Writes what waits: for a run that ends without its `done`. */
  async flush(): Promise<void> {
    const [metrics, log] = [this.#metrics, this.#log];
    this.#metrics = "";
    this.#log = "";
    if (metrics !== "") await platform.appendText(this.file("metrics.jsonl"), metrics);
    if (log !== "") await platform.appendText(this.file("main.log"), log);
    this.#written = performance.now();
  }

  /** Saves the model as it is after `step` updates, and gives the file's path: `checkpoint` of `Trainer.run`. */
  async saveCheckpoint(model: GPT2, step: number): Promise<string> {
    const path = this.file(`model_${String(step).padStart(8, "0")}.bin`);
    await model.save(path);
    return path;
  }
}

async function makeNamed(path: string): Promise<string> {
  const makeAnother = "Choose another folder, or end the path in a slash to get a new numbered folder inside it.";
  const kind = await platform.pathKind(path);
  if (kind === "file") throw new InputError(`${path} is a file, where a run folder is expected. Choose another name.`);
  if (kind === undefined) await platform.makeFolder(path);
  for (const name of runFiles)
    if (await platform.pathKind(`${path}/${name}`))
      throw new InputError(`${path} already holds a run (${name} is there). ${makeAnother}`);
  return path;
}

async function makeNumbered(parent: string, modelName: string): Promise<string> {
  const name = modelName.replace(/^.*[/\\]/, "").replace(/\.(bin|safetensors)$/, "");
  const folder = parent.replace(/[/\\]+$/, "");
  for (let number = 1; number <= mostNumbered; number++) {
    const path = `${folder}/${name}-${String(number).padStart(3, "0")}`;
    if (await platform.makeNewFolder(path)) return path;
  }
  throw new InputError(`${parent} holds ${mostNumbered} runs of ${name}. Choose another folder.`);
}
