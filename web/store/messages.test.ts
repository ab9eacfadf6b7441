/** What the engine says to somebody at the page, made by doing what somebody would do, is said in the page's language. */
import { mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { messageOf } from "../../src/errors.ts";
import { explain } from "../../src/platform/browser-errors.ts";
import { LiveRun } from "../../src/serve/live-run.ts";
import { StudioEngine } from "../engine/engine.ts";
import type { DataInput, EngineOptions, EngineUpdate, RunInfo, TrainChoice } from "../engine/protocol.ts";
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

/** A file that was changed after somebody chose it, as browsers refuse it. */
function changed(name: string): File {
  const refused = () => new DOMException("The requested file could not be read", "NotReadableError");
  return Object.assign(file(name, text), {
    slice: () => ({ arrayBuffer: () => Promise.reject(refused()) }),
    stream: () => {
      throw refused();
    },
  });
}

/** The model as .safetensors that tell nothing of themselves, with another type of wte where one is given. */
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

/** What an engine of its own says, which nothing was done with yet. */
async function inFresh(act: (fresh: StudioEngine) => Promise<unknown>, options: EngineOptions = {}): Promise<unknown> {
  const fresh = new StudioEngine(join(folder, "fresh"));
  await fresh.configure({ threads: 1, ...options });
  return act(fresh).finally(() => fresh.dispose());
}

/** Continues the run after something was done to its folder, which is then as it was. */
async function continueAfter(harm: (config: { [field: string]: never }) => unknown): Promise<unknown> {
  const path = join(folder, "runs", run.name, "config.json");
  const before = readFileSync(path, "utf8");
  writeFileSync(path, JSON.stringify(harm(JSON.parse(before))));
  return engine.continueRun(run.name).finally(() => writeFileSync(path, before));
}

/** That a message is in Chinese on the Chinese page, and that neither page speaks of the command's options. */
function expectRendered(original: string): void {
  // In a tab all is in the browser's storage.
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
  ["a model too large", () => engine.start({ ...tiny, model: { kind: "custom", L: 48, NH: 16, C: 8192 } })],
  ["a warm-up too long", () => engine.start({ ...tiny, schedule: "cosine", warmup: 9 })],
  ["no model among files", () => engine.open([file("a.txt", "text")])],
  ["nothing to open", () => engine.open([])],
  ["two models", async () => engine.open([...(await engine.export("bin")), ...(await engine.export("safetensors"))])],
  ["a model that is cut", async () => engine.open([file("cut.bin", (await engine.export("bin"))[0].slice(0, 2000))])],
  [
    "a damaged safetensors",
    async () => {
      const bytes = await (await engine.export("safetensors"))[0].arrayBuffer();
      return engine.open([file("cut.safetensors", bytes.slice(0, bytes.byteLength - 8))]);
    },
  ],
  ["a character that the model does not know", () => engine.write("漢", {}, () => {})],
  [
    "a text with characters that the model does not know",
    () => engine.prepare({ kind: "text", text: "漢字".repeat(500), tokenizer: "model" }),
  ],
  ["a character in a look inside", () => engine.look("漢", () => {})],
  ["a run that is complete", () => engine.continueRun(run.name)],
  ["a run that is not there", () => engine.continueRun("none-001")],
  ["the curves of a run that is not there", () => engine.columns("none-001")],
  ["a run to delete that is not there", () => engine.deleteRun("none-001")],
  ["a text of one character", () => engine.prepare({ ...pasted, text: "a" } as DataInput)],
  [
    "a text of too many characters",
    () => {
      const codes = Array.from({ length: 70_000 }, (_, i) => 0x10000 + i);
      return engine.prepare({ ...pasted, text: String.fromCodePoint(...codes) } as DataInput);
    },
  ],
  ["a text that was changed since", () => engine.prepare(files(changed("a.txt")))],
  ["a model that was changed since", () => engine.open([changed("a.bin")])],
  ["the tokens of no model", () => inFresh((fresh) => fresh.prepare({ ...pasted, tokenizer: "model" }))],
  ["writing without a model", () => inFresh((fresh) => fresh.write("a", {}, () => {}))],
  ["training without a text", () => inFresh((fresh) => fresh.start(tiny))],
  ["a kernel that is none", () => inFresh((fresh) => fresh.device(), { kernel: "fast" })],
  [
    "an engine without WebAssembly",
    () => {
      vi.stubGlobal("WebAssembly", undefined);
      return inFresh((fresh) => fresh.device()).finally(() => vi.unstubAllGlobals());
    },
  ],
  ["no threads", () => inFresh((fresh) => fresh.device(), { threads: 0 })],
  ["tokens of characters alone", () => engine.prepare(files(tokenFile([1, 2, 3, 4]), datasetOf("char")))],
  ["tokens of a hub's alone", () => engine.prepare(files(tokenFile([1, 2, 3, 4]), datasetOf("huggingface")))],
  ["tokens of nobody's", () => engine.prepare(files(tokenFile([1, 2, 3, 4]), datasetOf("mine")))],
  ["a dataset.json of a list", () => engine.prepare(files(tokenFile([1, 2, 3, 4]), json("dataset.json", [])))],
  [
    "tokens of another tokenizer than they say",
    async () =>
      engine.open([...(await engine.export("bin")), ...(await engine.export("tokenizer")), datasetOf("byte")]),
  ],
  [
    "a tokenizer of other models",
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
  ["safetensors that tell no heads", async () => engine.open([await plainSafetensors()])],
  ["safetensors of whole numbers", async () => engine.open([await plainSafetensors("I32"), await configWith({})])],
  [
    "another architecture",
    async () => engine.open([await plainSafetensors(), json("config.json", { architectures: ["LlamaForCausalLM"] })]),
  ],
  ["a config.json of a list", async () => engine.open([await plainSafetensors(), json("config.json", [])])],
  ["heads that do not divide", async () => engine.open([await plainSafetensors(), await configWith({ n_head: 3 })])],
  [
    "another activation",
    async () => engine.open([await plainSafetensors(), await configWith({ activation_function: "relu" })]),
  ],
  ["a run of another version", () => continueAfter((config) => ({ ...config, version: 2 }))],
  ["a run of no time", () => continueAfter((config) => ({ ...config, created: 3 }))],
  ["a run of no model", () => continueAfter(({ model: _, ...config }) => config)],
  [
    "a run of other settings",
    () => continueAfter((config) => ({ ...config, run: { ...(config.run as object), lr: 3 } })),
  ],
  ["a run of no batch", () => continueAfter((config) => ({ ...config, run: { ...(config.run as object), batch: 0 } }))],
  ["a run of nothing", () => continueAfter(() => [])],
  [
    "a run whose data is gone",
    () => continueAfter((config) => ({ ...config, given: { ...(config.given as object), train: folder } })),
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

  test("a loss that is not finite", async () => {
    latest.state = undefined;
    await engine.start({ ...tiny, steps: 1000, lr: 1e30, gradClip: 0, schedule: "constant", warmup: 0 });
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
    "a storage that says %s, and what is said about a run then",
    (name) => {
      const message = messageOf(explain("opfs:/runs/baby-001/metrics.jsonl", new DOMException("", name)));
      expectRendered(message);
      expectRendered(`the log cannot be written: ${message} The run goes on`);
      expectRendered(
        `step 7 could not be saved: ${message} The run goes on; the checkpoints before this one are as they were`,
      );
    },
  );

  test.each([
    ["a file that is not there", "nowhere"],
    ["a folder", "."],
    ["what is outside", tmpdir()],
    ["itself", "metrics.jsonl"],
  ])("a run on a disk whose log is a link to %s", async (_, target) => {
    const path = mkdtempSync(join(folder, "linked-"));
    symlinkSync(target, join(path, "metrics.jsonl"));
    const run = new LiveRun("linked", path, realpathSync(folder), () => {});
    await run.refresh();
    expectRendered(run.summary.reason ?? "");
  });

  test("what is in nobody's words is left as it is", () => {
    expect(messageIn("zh", "something else")).toBeUndefined();
    expect(messageIn("en", "something else")).toBeUndefined();
  });
});
