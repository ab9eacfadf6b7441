/** Messages of the engine, provoked as users would, are rendered in the page's language. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { GPT2 } from "../../src/api/gpt2.ts";
import { trainTokenizer } from "../../src/data/train-tokenizer.ts";
import { messageOf } from "../../src/errors.ts";
import { makeConfig } from "../../src/model/config.ts";
import { explain } from "../../src/platform/browser-errors.ts";
import { LiveRun } from "../../src/serve/live-run.ts";
import { withChat } from "../../src/tokenizer/chat.ts";
import { StudioEngine } from "../engine/engine.ts";
import type { ChatRequest, DataInput, EngineOptions, EngineUpdate, RunInfo, TrainChoice } from "../engine/protocol.ts";
import { messageIn } from "./messages.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-messages-"));
const engine = new StudioEngine(folder);
const latest: { state?: EngineUpdate["state"]; remarks: string[] } = { remarks: [] };
let run: RunInfo;

const text = Array.from({ length: 300 }, (_, i) => `line ${i} of a text\n`).join("");
const pasted: DataInput = { kind: "text", text, tokenizer: "char" };
const tiny: TrainChoice = {
  model: { kind: "custom", L: 1, NH: 2, C: 16 },
  ...{ batch: 4, block: 16, steps: 3, valEvery: 0, sampleEvery: 0 },
};
const files = (...files: readonly File[]): DataInput => ({ kind: "files", files, tokenizer: "char" });
const file = (name: string, ...parts: BlobPart[]) => new File(parts, name);

const stateNow = () => latest.state;

async function ended(): Promise<void> {
  while (!["done", "failed", "stopped"].includes(latest.state?.phase ?? "")) await new Promise((r) => setTimeout(r, 5));
}

beforeAll(async () => {
  await engine.configure({ threads: 1 });
  await engine.subscribe((update) => {
    if (update.state) latest.state = update.state;
    latest.remarks.push(...update.remarks);
  });
  await engine.prepare(pasted);
  run = await engine.start(tiny);
  await ended();
});
afterAll(async () => {
  await engine.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** A token file of llm.c's. */
function tokenFile(ids: readonly number[]): File {
  const header = new Int32Array(256);
  header.set([20240520, 1, ids.length]);
  return file("my_train.bin", header, new Uint16Array(ids));
}

const json = (name: string, content: unknown) => file(name, JSON.stringify(content));
const datasetOf = (tokenizer: string) => json("dataset.json", { tokenizer, train: { file: "train.bin", tokens: 4 } });

/** A file that was changed after it was chosen: browsers refuse to read it. */
function changed(name: string): File {
  const refused = () => new DOMException("The requested file could not be read", "NotReadableError");
  return Object.assign(file(name, text), {
    slice: () => ({ arrayBuffer: () => Promise.reject(refused()) }),
    stream: () => {
      throw refused();
    },
  });
}

/** The model as .safetensors without metadata; `dtype` replaces the type of wte. */
async function plainSafetensors(dtype?: string): Promise<File> {
  const bytes = new Uint8Array(await (await engine.export("safetensors"))[0].arrayBuffer());
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const { __metadata__: _, ...header } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  if (dtype !== undefined) header["wte.weight"].dtype = dtype;
  const text = new TextEncoder().encode(JSON.stringify(header));
  const prefix = new BigUint64Array([BigInt(text.length)]);
  return file("model.safetensors", prefix, text, bytes.subarray(8 + length));
}

async function configWith(fields: object): Promise<File> {
  return json("config.json", { ...JSON.parse(await (await engine.export("config"))[0].text()), ...fields });
}

/** Runs `act` on a fresh engine of its own. */
async function inFresh(act: (fresh: StudioEngine) => Promise<unknown>, options: EngineOptions = {}): Promise<unknown> {
  const fresh = new StudioEngine(join(folder, "fresh"));
  await fresh.configure({ threads: 1, ...options });
  return act(fresh).finally(() => fresh.dispose());
}

/** Sends a message to a model with a chat template. */
async function inChat(request: Partial<ChatRequest>): Promise<unknown> {
  const tokenizer = await withChat((await trainTokenizer(["tinyshakespeare"], { vocabSize: 300 })).tokenizer);
  const config = makeConfig({ V: tokenizer.vocabSize, maxT: 32, L: 1, NH: 1, C: 8 });
  await using model = await GPT2.create(config, { tokenizer, backend: "reference" });
  mkdirSync(join(folder, "chat"), { recursive: true });
  await model.save(join(folder, "chat", "model.bin"));
  const named = ["model.bin", "tokenizer.json", "tokenizer_config.json"];
  const opened = named.map((name) => file(name, new Uint8Array(readFileSync(join(folder, "chat", name)))));
  return inFresh(async (fresh) => {
    await fresh.open(opened);
    return fresh.chat({ system: "", turns: [], message: "", ...request }, {}, () => {});
  });
}

/** Resumes the run with a changed config.json, which is restored afterwards. */
async function resumeWith(change: (config: { [field: string]: never }) => unknown): Promise<unknown> {
  const path = join(folder, "runs", run.name, "config.json");
  const before = readFileSync(path, "utf8");
  writeFileSync(path, JSON.stringify(change(JSON.parse(before))));
  return engine.resumeRun(run.name).finally(() => writeFileSync(path, before));
}

/** Expects a Chinese message on the Chinese page, and none of the command's options on either page. */
function expectRendered(original: string): void {
  // In a tab all files are in the browser's storage.
  const message = original.replaceAll(folder, "opfs:");
  const zh = messageIn("zh", message);
  expect(zh, message).toBeDefined();
  expect(zh).toMatch(/\p{Script=Han}{4}/u);
  expect(zh).not.toMatch(/(?:[A-Za-z']{2,} ){3}|undefined/);
  const en = messageIn("en", message) ?? message;
  for (const shown of [zh, en]) expect(shown).not.toMatch(/(?:^|[\s(])--?[a-z]|iconv|ulimit|OMP_/);
  expect(zh).not.toContain("opfs:");
}

const failing: readonly (readonly [string, () => Promise<unknown>])[] = [
  ["an empty text", () => engine.prepare({ ...pasted, text: "" } as DataInput)],
  ["no file", () => engine.prepare(files())],
  ["a picture", () => engine.prepare(files(file("a.png", new Uint8Array([0x89, 0x50, 0, 1]))))],
  [
    "a text in GBK",
    () => engine.prepare(files(file("g.txt", Buffer.from("ufa59rOkva22q8rFy66jrMDLu6jM1L6h06LQ26Gj", "base64")))),
  ],
  [
    "a picture",
    () => engine.prepare(files(file("p.png", new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0])))),
  ],
  ["JSON lines", () => engine.prepare(files(file("a.jsonl", '{"text":"a"}\n')))],
  ["a text in UTF-16", () => engine.prepare(files(file("a.txt", new Uint8Array([0xff, 0xfe, 65, 0]))))],
  ["a text in Latin-1", () => engine.prepare(files(file("a.txt", "caf", new Uint8Array([0xe9, 0x20, 0x61]))))],
  [
    "a text in GBK",
    () => engine.prepare(files(file("a.txt", new Uint8Array([0xc4, 0xe3, 0xba, 0xc3, 0xca, 0xc0, 0xbd, 0xe7])))),
  ],
  ["a model as a text", async () => engine.prepare(files(...(await engine.export("bin"))))],
  ["a tokenizer as a text", async () => engine.prepare(files(...(await engine.export("tokenizer"))))],
  ["a text too short for a batch", () => engine.start({ ...tiny, batch: 500 })],
  ["a model that is too large", () => engine.start({ ...tiny, model: { kind: "custom", L: 48, NH: 16, C: 8192 } })],
  ["a warm-up longer than the run", () => engine.start({ ...tiny, schedule: "cosine", warmupSteps: 9 })],
  ["no model among files", () => engine.open([file("a.txt", "text")])],
  ["nothing to open", () => engine.open([])],
  ["two models", async () => engine.open([...(await engine.export("bin")), ...(await engine.export("safetensors"))])],
  ["a truncated model", async () => engine.open([file("cut.bin", (await engine.export("bin"))[0].slice(0, 2000))])],
  [
    "a damaged safetensors",
    async () => {
      const bytes = await (await engine.export("safetensors"))[0].arrayBuffer();
      return engine.open([file("cut.safetensors", bytes.slice(0, bytes.byteLength - 8))]);
    },
  ],
  ["a character that the model cannot encode", () => engine.write("漢", {}, () => {})],
  [
    "a text with characters that the model cannot encode",
    () => engine.prepare({ kind: "text", text: "漢字".repeat(500), tokenizer: "model" }),
  ],
  ["a character in a look inside", () => engine.look("漢", () => {})],
  ["a run that is complete", () => engine.resumeRun(run.name)],
  ["a missing run", () => engine.resumeRun("none-001")],
  ["the curves of a missing run", () => engine.columns("none-001")],
  ["a missing run to delete", () => engine.deleteRun("none-001")],
  ["a text of one character", () => engine.prepare({ ...pasted, text: "a" } as DataInput)],
  [
    "a text of too many characters",
    () => {
      const codes = Array.from({ length: 70_000 }, (_, i) => 0x10000 + i);
      return engine.prepare({ ...pasted, text: String.fromCodePoint(...codes) } as DataInput);
    },
  ],
  ["a text that was changed after it was chosen", () => engine.prepare(files(changed("a.txt")))],
  ["a model that was changed after it was chosen", () => engine.open([changed("a.bin")])],
  ["the model's tokenizer without a model", () => inFresh((fresh) => fresh.prepare({ ...pasted, tokenizer: "model" }))],
  ["writing without a model", () => inFresh((fresh) => fresh.write("a", {}, () => {}))],
  ["a message with a special token", () => inChat({ message: "<|im_end|>" })],
  ["instructions with a special token", () => inChat({ message: "a", system: "<|im_start|>" })],
  ["a message that is too long", () => inChat({ message: "word ".repeat(60) })],
  ["a message that is too long beside instructions", () => inChat({ message: "word ".repeat(60), system: "Be kind." })],
  ["training without a text", () => inFresh((fresh) => fresh.start(tiny))],
  ["an unknown kernel", () => inFresh((fresh) => fresh.device(), { kernel: "fast" })],
  [
    "an engine without WebAssembly",
    () => {
      vi.stubGlobal("WebAssembly", undefined);
      return inFresh((fresh) => fresh.device()).finally(() => vi.unstubAllGlobals());
    },
  ],
  ["no threads", () => inFresh((fresh) => fresh.device(), { threads: 0 })],
  [
    "tokens of characters without their tokenizer",
    () => engine.prepare(files(tokenFile([1, 2, 3, 4]), datasetOf("char"))),
  ],
  [
    "tokens of the hub's without their tokenizer",
    () => engine.prepare(files(tokenFile([1, 2, 3, 4]), datasetOf("huggingface"))),
  ],
  ["tokens of an unknown tokenizer", () => engine.prepare(files(tokenFile([1, 2, 3, 4]), datasetOf("mine")))],
  ["a dataset.json that is a list", () => engine.prepare(files(tokenFile([1, 2, 3, 4]), json("dataset.json", [])))],
  [
    "a dataset.json that names another tokenizer",
    async () =>
      engine.open([...(await engine.export("bin")), ...(await engine.export("tokenizer")), datasetOf("byte")]),
  ],
  [
    "an unsupported tokenizer",
    async () =>
      engine.open([...(await engine.export("bin")), json("tokenizer.json", { model: { type: "WordPiece" } })]),
  ],
  [
    "a tokenizer with a negative id",
    async () =>
      engine.open([
        ...(await engine.export("bin")),
        json("tokenizer.json", {
          model: { type: "BPE", vocab: { a: -1 }, merges: [] },
          decoder: { type: "ByteLevel" },
        }),
      ]),
  ],
  ["safetensors without the number of heads", async () => engine.open([await plainSafetensors()])],
  ["safetensors of integers", async () => engine.open([await plainSafetensors("I32"), await configWith({})])],
  [
    "another architecture",
    async () => engine.open([await plainSafetensors(), json("config.json", { architectures: ["LlamaForCausalLM"] })]),
  ],
  ["a config.json that is a list", async () => engine.open([await plainSafetensors(), json("config.json", [])])],
  ["heads that do not divide", async () => engine.open([await plainSafetensors(), await configWith({ n_head: 3 })])],
  [
    "another activation",
    async () => engine.open([await plainSafetensors(), await configWith({ activation_function: "relu" })]),
  ],
  ["config.json of another version", () => resumeWith((config) => ({ ...config, version: 2 }))],
  ["config.json with an invalid time", () => resumeWith((config) => ({ ...config, created: 3 }))],
  ["config.json without a model", () => resumeWith(({ model: _, ...config }) => config)],
  [
    "config.json with an edited setting",
    () => resumeWith((config) => ({ ...config, run: { ...(config.run as object), learningRate: 3 } })),
  ],
  [
    "config.json with an invalid batch",
    () => resumeWith((config) => ({ ...config, run: { ...(config.run as object), batch: 0 } })),
  ],
  ["config.json that is a list", () => resumeWith(() => [])],
  [
    "a run whose data is gone",
    () => resumeWith((config) => ({ ...config, given: { ...(config.given as object), train: folder } })),
  ],
  ["the model of a run without one", () => engine.openRun("none-001")],
];

describe("in the page's language", () => {
  test.each(failing)("%s", async (_, act) => {
    const message = await act().then(() => "nothing failed", messageOf);
    expectRendered(message);
  });

  test("another text than the model was trained on", async () => {
    await engine.prepare({ ...pasted, text: text.toUpperCase() } as DataInput);
    expectRendered(await engine.start({ ...tiny, model: { kind: "opened" } }).then(String, messageOf));
    await engine.prepare({ ...pasted, text: `${text} 漢字` } as DataInput);
    expectRendered(await engine.start({ ...tiny, model: { kind: "opened" } }).then(String, messageOf));
    await engine.prepare(pasted);
  });

  test("a loss that is NaN or infinite", async () => {
    latest.state = undefined;
    await engine.start({ ...tiny, steps: 1000, learningRate: 1e30, gradClip: 0, schedule: "constant", warmupSteps: 0 });
    await ended();
    const state = stateNow();
    expect(state?.phase).toBe("failed");
    expectRendered(state?.phase === "failed" ? state.message : "");
  });

  test("a run that cannot be kept", async () => {
    const other = new StudioEngine(join(folder, "full"));
    await other.configure({ threads: 1 });
    await other.prepare(pasted);
    writeFileSync(join(folder, "full", "runs"), "in the way");
    const remarks: string[] = [];
    await other.subscribe((update) => remarks.push(...update.remarks));
    await other.start(tiny);
    while (remarks.length === 0) await new Promise((r) => setTimeout(r, 5));
    expect(remarks[0]).toMatch(/^the run cannot be kept: /);
    expect(messageIn("zh", remarks[0])).toMatch(/^这次训练无法保存：/);
    await other.dispose();
  });

  test.each(["QuotaExceededError", "SecurityError", "NoModificationAllowedError", "NotReadableError", "NotFoundError"])(
    "a storage that fails with %s, and the warnings of a run then",
    (name) => {
      const message = messageOf(explain("opfs:/runs/baby-001/metrics.jsonl", new DOMException("", name)));
      expectRendered(message);
      expectRendered(`the log cannot be written: ${message} The run continues`);
      expectRendered(`step 7 could not be saved: ${message} The run continues; earlier checkpoints are intact`);
    },
  );

  test.each([
    ["a missing file", "nowhere"],
    ["a folder", "."],
    ["a folder outside", tmpdir()],
    ["itself", "metrics.jsonl"],
  ])("a run on a disk whose log is a link to %s", async (_, target) => {
    const path = mkdtempSync(join(folder, "linked-"));
    symlinkSync(target, join(path, "metrics.jsonl"));
    const run = new LiveRun("linked", path, realpathSync(folder), () => {});
    await run.refresh();
    expectRendered(run.summary.reason ?? "");
  });

  test("an unknown message has no translation", () => {
    expect(messageIn("zh", "something else")).toBeUndefined();
    expect(messageIn("en", "something else")).toBeUndefined();
  });
});
