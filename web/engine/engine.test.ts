/** The engine in Node, on folders of the disk: what it computes and keeps is the same there as in a tab. */
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { GPT2 } from "../../src/api/gpt2.ts";
import { InputError, UsageError } from "../../src/errors.ts";
import { makeConfig } from "../../src/model/config.ts";
import { decodeColumns } from "../../src/runs/columns.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import { fixturePath } from "../../test/fixtures.ts";
import { run as runCommand } from "../../test/run-cli.ts";
import { StudioEngine } from "./engine.ts";
import type { EngineUpdate, TrainChoice } from "./protocol.ts";

// As in a page, which does not know the machine's memory and has the 4 GiB of a WebAssembly memory.
Object.assign(platform, { machineMemory: undefined });

const folder = mkdtempSync(join(tmpdir(), "llm-ts-engine-"));
const inFolder = (...names: string[]) => join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const engines: StudioEngine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.dispose();
});

/** An engine with its files under `name`, and a record of its updates. */
async function openEngine(name: string) {
  const engine = new StudioEngine(inFolder(name));
  engines.push(engine);
  await engine.configure({ threads: 1 });
  const log = new UpdateLog();
  log.add(await engine.subscribe((update) => log.add(update)));
  return { engine, log };
}

/** Pauses a run after `step` updates or a few more: at least one event passes between two pauses. */
async function pauseAt(engine: StudioEngine, step: number) {
  for (;;) {
    await engine.pause();
    const [stored] = await engine.stored();
    if ((stored?.step ?? 0) >= step) return stored;
    await engine.resume();
  }
}

/** All updates that an engine has sent. */
class UpdateLog {
  readonly events: TrainEvent[] = [];
  readonly remarks: string[] = [];
  latest: Partial<EngineUpdate> = {};
  #waiting: (() => void)[] = [];

  add(update: EngineUpdate): void {
    this.events.push(...update.events);
    this.remarks.push(...update.remarks);
    this.latest = { ...this.latest, ...update };
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async until(condition: (log: UpdateLog) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  phase = (wanted: string) => this.until(({ latest }) => latest.state?.phase === wanted);
  step = (wanted: number) => this.until(({ events }) => events.some((e) => e.type === "step" && e.step >= wanted));

  /** Losses and samples, which every run with the same settings must repeat. */
  get losses() {
    return lossesOf(this.events);
  }
}

const lossesOf = (events: readonly TrainEvent[]) =>
  events.flatMap((event) =>
    event.type === "step" || event.type === "val"
      ? [`${event.type} ${event.step} ${event.loss}`]
      : event.type === "sample"
        ? [`sample ${event.step} ${event.text}`]
        : [],
  );

const tiny: TrainChoice = {
  model: { kind: "custom", L: 1, NH: 2, C: 16 },
  ...{ batch: 4, block: 16, steps: 12, learningRate: 1e-2, schedule: "cosine", warmupSteps: 2, order: "random" },
  ...{ valEvery: 5, valBatches: 2, finalValBatches: 2, sampleEvery: 5, sampleTokens: 12 },
};
/** A run that the test ends. */
const endless: TrainChoice = { ...tiny, steps: 1_000_000, valEvery: 0, sampleEvery: 0 };

const text = Array.from({ length: 400 }, (_, i) => `line ${i} of a text, with ${i * i} words\n`).join("");
const pasted = { kind: "text", text, tokenizer: "char" } as const;

let whole: string[];
beforeAll(async () => {
  const { engine, log } = await openEngine("whole");
  await engine.prepare(pasted);
  await engine.start(tiny);
  await log.phase("done");
  whole = log.losses;
});

describe("a run", () => {
  test("equals the command's bit for bit, in a folder that the command reads", async () => {
    const [data] = readdirSync(inFolder("whole", "data"));
    const flags = [
      "-e",
      "custom",
      "--layers",
      "1",
      "--heads",
      "2",
      "--channels",
      "16",
      "-b",
      "4",
      "-t",
      "16",
      "-x",
      "12",
    ];
    flags.push(
      "-l",
      "1e-2",
      "-k",
      "cosine",
      "-u",
      "2",
      "--order",
      "random",
      "-v",
      "5",
      "-m",
      "2",
      "-s",
      "5",
      "-g",
      "12",
    );
    flags.push("--no-revectorize", "--threads", "1", "--json");
    const { stdout } = await runCommand(["train", ...flags, "-i", inFolder("whole", "data", data ?? "")]);
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .map(({ event, ...fields }) => ({ type: event, ...fields }));
    expect(whole).toEqual(lossesOf(events));
    expect(whole.filter((line) => line.startsWith("step"))).toHaveLength(12);

    const { stdout: runs } = await runCommand(["runs", inFolder("whole", "runs"), "--json"]);
    expect(JSON.parse(runs)).toMatchObject([{ status: "done", step: 12, steps: 12 }]);
  });

  test("pauses, saves, and resumes bit for bit", async () => {
    const { engine, log } = await openEngine("paused");
    await engine.prepare(pasted);
    await engine.start(tiny);
    for (const step of [2, 6]) {
      const stored = await pauseAt(engine, step);
      expect(stored).toMatchObject({ status: "running", checkpoint: stored?.step, canResume: false });
      expect(stored?.step).toBeLessThan(12);
      await log.phase("paused");
      await engine.resume();
    }
    await log.phase("done");
    expect(log.losses).toEqual(whole);
  });

  test("is read up to its last update, though its log is flushed less often", async () => {
    const { engine, log } = await openEngine("read");
    await engine.prepare(pasted);
    const { name } = await engine.start(endless);
    for (let i = 0; i < 3; i++) {
      const before = log.events.length;
      await log.until(({ events }) => events.length > before);
      const last = log.events.findLast(({ type }) => type === "step")?.step ?? 0;
      const columns = decodeColumns(await engine.columns(name));
      expect(columns.step.at(-1)).toBeGreaterThanOrEqual(last);
      expect([...columns.step]).toEqual([...columns.step.keys()]);
      const [summary] = await engine.summaries();
      expect(summary?.step).toBeGreaterThan(last);
    }
  });

  test("stops, can be resumed, and resumes where it stopped", async () => {
    const { engine, log } = await openEngine("stopped");
    await engine.prepare(pasted);
    const { name } = await engine.start(tiny);
    await pauseAt(engine, 3);
    await engine.stop();
    await log.phase("stopped");
    expect(log.latest.state).toMatchObject({ phase: "stopped", isSaved: true });
    expect(await engine.stored()).toMatchObject([{ folder: name, status: "interrupted", canResume: true }]);

    const again = await engine.resumeRun(name);
    await log.phase("done");
    expect(again.from).toBeGreaterThanOrEqual(3);
    expect(log.losses).toEqual(whole);
    expect(await engine.stored()).toMatchObject([{ status: "done", canResume: false, steps: 12 }]);
    await expect(engine.resumeRun(name)).rejects.toThrow(/complete/);
  });

  test("that was cut off resumes from its last checkpoint", async () => {
    const { engine } = await openEngine("cut");
    await engine.prepare(pasted);
    const { name } = await engine.start(tiny);
    await pauseAt(engine, 4);
    // The folder as a killed tab leaves it, with lines after the checkpoint.
    cpSync(inFolder("cut"), inFolder("killed"), { recursive: true });
    appendFileSync(
      inFolder("killed", "runs", name, "metrics.jsonl"),
      '{"event":"step","step":9,"loss":1}\n{"event":"st',
    );
    rmSync(inFolder("killed", "runs", name, "run.lock"));
    const other = await openEngine("killed");
    expect(await other.engine.stored()).toMatchObject([{ status: "cut off", canResume: true }]);
    await other.engine.resumeRun(name);
    await other.log.phase("done");
    const detail = await other.engine.detail(name);
    const columns = decodeColumns(await other.engine.columns(name));
    expect([...columns.step]).toEqual([...Array(12).keys()]);
    expect(whole).toEqual(expect.arrayContaining(other.log.losses));
    expect(detail.samples.map(({ step, text }) => `sample ${step} ${text}`)).toEqual(
      whole.filter((line) => line.startsWith("sample")),
    );
  });

  test("is locked against other tabs", async () => {
    const { engine, log } = await openEngine("twice");
    await engine.prepare(pasted);
    const { name } = await engine.start(endless);
    await log.step(1);
    const other = await openEngine("twice");
    await expect(other.engine.resumeRun(name)).rejects.toThrow(InputError);
    await expect(other.engine.deleteRun(name)).rejects.toThrow(InputError);
    await expect(engine.start(tiny)).rejects.toThrow(/under way/);
  });

  test("trains without storage, with a warning", async () => {
    const { engine, log } = await openEngine("full");
    await engine.prepare(pasted);
    writeFileSync(inFolder("full", "runs"), "in the way");
    await engine.start(tiny);
    await log.phase("done");
    expect(log.losses).toEqual(whole);
    expect(log.remarks.join()).toMatch(/cannot be kept/);
    expect(log.latest.unsaved).toMatch(/runs is a file/);
  });

  test.each<Partial<TrainChoice>>([
    { valEvery: -1 },
    { steps: 1.5 },
    { batch: 0 },
    { block: 0 },
    { learningRate: -1 },
    { warmupSteps: 1.5 },
    { seed: 2 ** 53 },
  ])("with invalid settings is refused before anything is created: %j", async (settings) => {
    const { engine } = await openEngine("invalid");
    await engine.prepare(pasted);
    await expect(engine.start({ ...tiny, ...settings })).rejects.toThrow(UsageError);
    await expect(engine.estimate({ ...tiny, ...settings })).rejects.toThrow(/expected a/);
    expect(await engine.stored()).toEqual([]);
  });

  test("whose folder was removed can be stopped, and does not count as saved", async () => {
    const { engine, log } = await openEngine("removed");
    await engine.prepare(pasted);
    const { name } = await engine.start(endless);
    await log.step(1);
    rmSync(inFolder("removed", "runs", name), { recursive: true });
    await engine.stop();
    await log.phase("stopped");
    expect(log.latest.state).toMatchObject({ phase: "stopped", isSaved: false });
    expect(log.latest.unsaved).toMatch(/does not exist/);
  });

  test("that fails reports why, and keeps the model loaded", async () => {
    const { engine, log } = await openEngine("fails");
    await engine.prepare(pasted);
    await engine.start({ ...endless, learningRate: 1e30, gradClip: 0, schedule: "constant", warmupSteps: 0 });
    await log.phase("failed");
    expect(log.latest.state).toMatchObject({
      isBug: false,
      message: expect.stringMatching(/no(t finite| number)|NaN|inf/i),
    });
    expect((await engine.write("line", { maxTokens: 5 }, () => {}).catch(String)).toString()).toBeTruthy();
  });
});

describe("the model", () => {
  test("writes while it trains, can be interrupted, and can be looked into", async () => {
    const { engine, log } = await openEngine("writes");
    await engine.prepare(pasted);
    await engine.start(endless);
    let pieces = "";
    const { text, tokens, reason, step } = await engine.write("line", { maxTokens: 500 }, (piece) => (pieces += piece));
    expect({ tokens, reason, pieces }).toEqual({ tokens: 500, reason: "length", pieces: text });
    expect(step).toBeGreaterThan(0);

    const cut = engine.write("line", { maxTokens: 1_000_000 }, () => {});
    await engine.cancelWrite();
    expect((await cut).reason).toBe("interrupted");

    const { inspection, model } = await engine.look("line", () => {});
    expect(inspection.tokens).toHaveLength(4);
    expect(model.step).toBeGreaterThan(0);
    const before = log.events.length;
    await log.until(({ events }) => events.length > before);
    await expect(engine.write("line ☃", {}, () => {})).rejects.toThrow(/U\+2603/);
    expect(log.latest.state?.phase).toBe("training");
  });

  test("is exported as GPT2.save writes it, and opened again", async () => {
    const { engine } = await openEngine("whole");
    const [{ folder: name }] = await engine.stored();
    await engine.openRun(name);
    const model = await GPT2.load(inFolder("whole", "runs", name, "model_00000012.bin"), { threads: 1 });
    for (const format of ["bin", "safetensors"] as const) {
      const path = inFolder(`saved.${format}`);
      await model.save(path);
      const [file] = await engine.export(format);
      expect(Buffer.from(await file.arrayBuffer()).equals(readFileSync(path))).toBe(true);
    }
    await model.dispose();
    const files = (
      await Promise.all((["safetensors", "config", "tokenizer"] as const).map((f) => engine.export(f)))
    ).flat();
    const write = () => engine.write("line", { maxTokens: 40 }, () => {});
    const before = await write();
    const opened = await engine.open(files);
    expect(opened).toMatchObject({ name: `${name}.safetensors`, tokenizer: "char" });
    expect((await write()).text).toBe(before.text);

    // Another text is prepared in the model's characters, of which it uses only some.
    const part = [...new Set(text)].slice(0, 5).join("").repeat(40);
    const own = { kind: "text", text: part, tokenizer: "model" } as const;
    const vocabSize = new Set(text).size;
    expect(await engine.prepare(own)).toMatchObject({ tokenizer: "char", vocabSize, preview: part.slice(0, 180) });
    await expect(engine.prepare({ ...own, text: "\u4e00".repeat(99) })).rejects.toThrow(/not among the/);

    // It can be trained on, and its initial weights are saved before the first step.
    await engine.prepare(pasted);
    const log = new UpdateLog();
    log.add(await engine.subscribe((update) => log.add(update)));
    await engine.start({ ...tiny, model: { kind: "opened" }, steps: 2 });
    await log.phase("done");
    expect(log.events.find(({ type }) => type === "checkpoint")).toMatchObject({ step: 0 });
  });

  test("is exported with all files of a hub's tokenizer, which encode as before", async () => {
    const { engine } = await openEngine("hub");
    const { base } = JSON.parse(readFileSync(new URL("../../test/fixtures/tokenizers.json", import.meta.url), "utf8"));
    const { vocab, merges } = base.model;
    const model = await GPT2.create(makeConfig({ maxT: 16, V: Object.keys(vocab).length, L: 1, NH: 2, C: 16 }), {
      threads: 1,
    });
    mkdirSync(inFolder("model of a hub"));
    await model.save(inFolder("model of a hub", "hub.bin"));
    await model.dispose();
    const given = [
      new File([new Uint8Array(readFileSync(inFolder("model of a hub", "hub.bin")))], "hub.bin"),
      new File([JSON.stringify(vocab)], "vocab.json"),
      new File([merges.map((pair: string | string[]) => [pair].flat().join(" ")).join("\n")], "merges.txt"),
      new File([JSON.stringify({ add_prefix_space: true })], "tokenizer_config.json"),
    ];
    const tokens = async () => [...(await engine.look("Hello", () => {})).inspection.tokens];
    await engine.open(given);
    const before = await tokens();
    const exported = [...(await engine.export("bin")), ...(await engine.export("tokenizer"))];
    expect(exported.map(({ name }) => name)).toEqual(given.map(({ name }) => name));
    await engine.open(exported);
    expect(await tokens()).toEqual(before);
    await engine.open(given.slice(0, 3));
    expect(await tokens()).not.toEqual(before);
  });

  test("is replaced only after a text under way has ended, which the replacement interrupts", async () => {
    const { engine, log } = await openEngine("leaves");
    const file = new File([new Uint8Array(readFileSync(fixturePath("gpt2_tiny.bin")))], "gpt2_tiny.bin");
    await engine.prepare(pasted);
    await engine.start({ ...tiny, steps: 2 });
    await log.phase("done");
    const writing = engine.write("line", { maxTokens: 1_000_000 }, () => {});
    const opened = await engine.open([file]);
    expect((await writing).reason).toBe("interrupted");
    expect(opened.name).toBe(file.name);
    expect(await engine.export("bin").then(([f]) => f.size)).toBe(file.size);
  });

  test("stays loaded when a file is no model", async () => {
    const { engine } = await openEngine("stays");
    const file = (name: string, bytes: Uint8Array<ArrayBuffer> | string) => new File([bytes], name);
    const tinyModel = new Uint8Array(readFileSync(fixturePath("gpt2_tiny.bin")));
    const { config } = await engine.open([file("gpt2_tiny.bin", tinyModel)]);
    expect(config.V).toBe(101);
    await expect(engine.open([file("a.bin", "This is no model. ".repeat(100))])).rejects.toThrow(
      /a\.bin: there is no model/,
    );
    await expect(engine.open([file("cut.bin", tinyModel.subarray(0, 5000))])).rejects.toThrow(InputError);
    expect((await engine.look("", () => {}).catch(String)).toString()).not.toMatch(/no model/);
    expect(await engine.export("bin").then(([f]) => f.size)).toBe(tinyModel.length);
  });
});

describe("data", () => {
  test("of a text: its summary", async () => {
    const { engine, log } = await openEngine("data");
    const summary = await engine.prepare(pasted);
    const tokens = summary.trainTokens + summary.valTokens;
    expect(summary).toMatchObject({ name: "", kind: "text", tokenizer: "char", bytes: text.length });
    expect(tokens).toBe(text.length);
    expect(text.startsWith(summary.preview)).toBe(true);
    const bytes = await engine.prepare({ kind: "files", files: [new File([text], "a.txt")], tokenizer: "byte" });
    expect(bytes).toMatchObject({ name: "a.txt", kind: "files", vocabSize: 256 });
    // Data that is no longer used has been removed.
    expect(readdirSync(inFolder("data", "data"))).toHaveLength(1);
    await log.until(({ latest }) => latest.data?.name === "a.txt" && latest.activity === null);
  });

  test("token files are taken as they are, with their tokenizer", async () => {
    const { engine } = await openEngine("tokens");
    const { folder: from } = { folder: inFolder("whole", "data", readdirSync(inFolder("whole", "data"))[0] ?? "") };
    const names = ["train.bin", "val.bin", "tokenizer.bin", "dataset.json"];
    const files = names.map((name) => new File([new Uint8Array(readFileSync(join(from, name)))], name));
    const summary = await engine.prepare({ kind: "files", files, tokenizer: "byte" });
    expect(summary).toMatchObject({ name: "train.bin, val.bin", tokenizer: "char", kind: "files" });
    expect(text.startsWith(summary.preview)).toBe(true);
    const { tokenizer, vocabSize } = await engine.prepare({
      kind: "files",
      files: files.slice(0, 1),
      tokenizer: "byte",
    });
    expect({ tokenizer, vocabSize }).toEqual({ tokenizer: "gpt2", vocabSize: 50257 });
    const { base } = JSON.parse(readFileSync(new URL("../../test/fixtures/tokenizers.json", import.meta.url), "utf8"));
    const hub = new File([JSON.stringify(base)], "tokenizer.json");
    const foreign = await engine.prepare({ kind: "files", files: [files[0], hub], tokenizer: "byte" });
    const foreignSize = Object.keys(base.model.vocab).length;
    expect(foreign).toMatchObject({ tokenizer: "huggingface", vocabSize: foreignSize, name: "train.bin" });
  });

  test("invalid files are refused, and the earlier data stays", async () => {
    const { engine, log } = await openEngine("refused");
    await engine.prepare(pasted);
    const prepare = (content: Uint8Array<ArrayBuffer> | string, name: string, tokenizer: "char" | "byte" = "char") =>
      engine.prepare({ kind: "files", files: [new File([content], name)], tokenizer });
    const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13, ...Array(80).keys()]);
    await expect(prepare(png, "a.png", "byte")).rejects.toThrow(/a\.png is not text, but a picture \(PNG\)/);
    await expect(prepare(new Uint8Array([0xff, 0xfe, 65, 0]), "w.txt")).rejects.toThrow(/UTF-16/);
    await expect(prepare(new Uint8Array([65, 0xff, 66]), "l.txt")).rejects.toThrow(/not valid UTF-8 at byte 1/);
    await expect(prepare("", "e.txt")).rejects.toThrow(/empty/);
    await expect(prepare("a", "s.txt")).rejects.toThrow(/too short/);
    const model = new Uint8Array(readFileSync(fixturePath("gpt2_tiny.bin")));
    await expect(prepare(model, "gpt2_tiny.bin")).rejects.toThrow(/is a model/);
    const huge = Object.defineProperty(new File(["x".repeat(2000)], "huge.txt"), "size", { value: 2e9 });
    await expect(engine.prepare({ kind: "files", files: [huge], tokenizer: "char" })).rejects.toThrow(
      /2,000 MB.*1,000 MB/,
    );
    await log.until(({ latest }) => latest.activity === null);
    expect(log.latest.data?.kind).toBe("text");
    expect(readdirSync(inFolder("refused", "data"))).toHaveLength(1);
  });

  test("preparing can be cancelled", async () => {
    const { engine } = await openEngine("off");
    const file = new File(Array(20).fill(text.repeat(10)), "long.txt");
    const preparing = engine.prepare({ kind: "files", files: [file], tokenizer: "gpt2" });
    const called = expect(preparing).rejects.toMatchObject({ name: "AbortError" });
    await engine.storage();
    await engine.cancelPrepare();
    await called;
    expect(readdirSync(inFolder("off", "data"))).toEqual([]);
  });

  test("is removed with the last run that needs it", async () => {
    const { engine, log } = await openEngine("swept");
    await engine.prepare(pasted);
    const { name } = await engine.start({ ...tiny, steps: 1, warmupSteps: 0 });
    await log.phase("done");
    await engine.prepare({ ...pasted, tokenizer: "byte" });
    expect(readdirSync(inFolder("swept", "data"))).toHaveLength(2);
    await engine.deleteRun(name);
    expect(readdirSync(inFolder("swept", "data"))).toHaveLength(1);
    expect(await engine.stored()).toEqual([]);
    await expect(engine.deleteRun("../whole")).rejects.toThrow(/not the name of a run/);
  });
});

describe("an estimate", () => {
  test("gives size, memory and time, and the problem if there is one", async () => {
    const { engine } = await openEngine("estimate");
    await expect(engine.estimate(tiny)).rejects.toThrow(UsageError);
    await engine.prepare(pasted);
    const found = await engine.estimate({ model: { kind: "preset", name: "baby" } });
    const { memory } = found;
    expect(found).toMatchObject({ fits: true, problem: undefined, settings: { batch: 12, steps: 2000 } });
    expect(memory.weights).toBe(4 * found.parameters);
    expect(memory.total).toBe(memory.weights + memory.optimizer + memory.activations + memory.sampling);
    expect(found.msPerStep).toBeGreaterThan(0);

    const large = await engine.estimate({ model: { kind: "preset", name: "d12" }, batch: 64, block: 512 });
    expect(large).toMatchObject({ fits: false, problem: expect.stringMatching(/needs .* GB/) });
    const fitting = large.fittingBatch ?? 0;
    const sized = (batch: number) => engine.estimate({ model: { kind: "preset", name: "d12" }, batch, block: 512 });
    expect((await sized(fitting)).fits).toBe(true);
    expect((await sized(fitting + 1)).fits).toBe(false);
    expect(await engine.estimate({ model: { kind: "preset", name: "d48" } })).toMatchObject({
      fits: false,
      fittingBatch: 0,
    });

    const long = await engine.estimate({ ...tiny, block: 100_000 });
    expect(long.problem).toMatch(/The text has \d+ tokens, expected at least 100001/);
    await expect(engine.start({ ...tiny, block: 100_000 })).rejects.toThrow(long.problem);
    await expect(engine.estimate({ ...tiny, model: { kind: "custom", L: 1, NH: 3, C: 16 } })).rejects.toThrow(/C = 16/);
  });
});
