/** `llm-ts prepare` of documents with fields, as a program: own .jsonl and .parquet, and data sets of the hub. */
import { execFileSync, execSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeHub, sha256 } from "./fake-hub.ts";
import { fixturePath } from "./fixtures.ts";
import { run, testFolder } from "./run-cli.ts";

const folder = testFolder();
const inFolder = (...names: string[]) => join(folder, ...names);
const parquet = readFileSync(fixturePath("docs_zstd.parquet"));
let hub: FakeHub;
beforeAll(async () => {
  hub = await FakeHub.start();
  const example = { ctx: "A man is on a roof. he", label: 3, endings: ["sits.", "pulls.", "holds.", "rips."] };
  hub.add("datasets/Rowan/hellaswag", { "data/hellaswag_val.jsonl": `${JSON.stringify(example)}\n`.repeat(3) });
  hub.add("datasets/roneneldan/TinyStories", {
    "data/train-00000-of-00002.parquet": parquet,
    "data/train-00001-of-00002.parquet": parquet,
    "data/validation-00000-of-00001.parquet": parquet,
  });
  hub.add("datasets/HuggingFaceFW/fineweb", {
    "sample/10BT/000_00000.parquet": parquet,
    "sample/10BT/001_00000.parquet": parquet,
    "sample/100BT/000_00000.parquet": parquet,
  });
  const documents = Array.from({ length: 3000 }, (_, i) => ({
    text: `Story ${i}. ${"Once upon a time. ".repeat(i % 40)}`,
  }));
  writeFileSync(inFolder("x.txt"), "A text.");
  writeFileSync(inFolder("docs.jsonl"), documents.map((document) => JSON.stringify(document)).join("\n"));
});
afterAll(() => hub.stop());

const env = () => ({ HF_ENDPOINT: hub.endpoint, HF_HOME: inFolder("cache"), HF_HUB_OFFLINE: "" });
const hashes = (out: string) =>
  Object.fromEntries(readdirSync(out).map((name) => [name, sha256(readFileSync(join(out, name)))]));

test("the same files at any number of threads; train and eval take the folder", async () => {
  const prepare = async (threads: number) => {
    const out = inFolder(`docs-${threads}`);
    const args = ["prepare", "docs.jsonl", "--shard-tokens", "100000", "--threads", `${threads}`, "-o", out];
    const found = await run(args, { cwd: folder });
    expect(found.code, found.stderr).toBe(0);
    expect(found.stdout).toMatch(/train_\*\.bin: \d{3},\d{3} tokens\n.*val_000000\.bin: \d,\d{3} tokens\n/);
    return hashes(out);
  };
  const one = await prepare(1);
  expect(await prepare(3)).toEqual(one);
  expect(Object.keys(one).slice(2, 5)).toEqual(["train_000000.bin", "train_000001.bin", "train_000002.bin"]);
  const train = ["train", "--model", "baby", "-j", inFolder("docs-1"), "-i", inFolder("docs-1"), "-x", "1", "-m", "1"];
  const trained = await run([...train, "-b", "1", "-t", "8", "-s", "0", "--threads", "1", "--json"]);
  expect(trained.code, trained.stderr).toBe(0);
});

test("train names the field of documents that have no text, and its command prepares them", async () => {
  writeFileSync(inFolder("bodies.jsonl"), `\ufeff${'{"id": 1, "body": "some words"}\n'.repeat(200)}`);
  const { code, stderr } = await run(["train", "-i", "bodies.jsonl", "-e", "baby"], { cwd: folder });
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/It has no field "text": .* prepare --field names the one/),
  ]);
  const [, prepare = "false"] = /tokens:\n {2}(.*)\n/.exec(stderr) ?? [];
  execSync(prepare, { cwd: folder, stdio: "pipe" });
  expect(readdirSync(inFolder("data", "bodies"))).toContain("train_000000.bin");
  writeFileSync(inFolder("numbers.jsonl"), '{"id": 1}\n');
  const none = await run(["train", "-i", "numbers.jsonl"], { cwd: folder });
  expect(none.stderr).toContain("no field that holds a text to train on. Its fields are: id.");
});

test("a literal <|endoftext|> in a document is text, as for tiktoken's encode_ordinary", async () => {
  writeFileSync(inFolder("mark.jsonl"), `${JSON.stringify({ text: "a <|endoftext|> b" })}\n`);
  const args = ["prepare", "mark.jsonl", "--val-fraction", "0", "-o", "mark"];
  expect((await run(args, { cwd: folder })).code).toBe(0);
  const tokens = new Uint16Array(
    Uint8Array.from(readFileSync(inFolder("mark", "train_000000.bin")).subarray(1024)).buffer,
  );
  expect([...tokens]).toEqual([50256, 64, 1279, 91, 437, 1659, 5239, 91, 29, 275]);
});

test("of a folder of .jsonl the fields are taken, and not their braces", async () => {
  mkdirSync(inFolder("many", "more"), { recursive: true });
  writeFileSync(inFolder("many", "a.jsonl"), '{"text":"one"}\n');
  writeFileSync(inFolder("many", "more", "b.JSONL"), '{"text":"two"}\n');
  writeFileSync(inFolder("many", "c.png"), Buffer.of(0x89, 0x50, 0x4e, 0x47, 0));
  const args = (input: string) => ["prepare", input, "--val-fraction", "0", "-o"];
  const found = await run([...args("many"), "fields"], { cwd: folder });
  expect([found.code, found.stderr]).toEqual([
    0,
    expect.stringContaining("left out, as they are no texts: many/c.png\n"),
  ]);
  const tokens = new Uint16Array(Uint8Array.from(readFileSync(inFolder("fields", "train_000000.bin"))).buffer, 1024);
  expect([...tokens]).toEqual([50256, 505, 50256, 11545]);
  writeFileSync(inFolder("many", "README.md"), "Two documents.");
  const mixed = await run([...args("many"), "mixed"], { cwd: folder });
  expect(mixed.code).toBe(2);
  const [, command] = /as in (.*)\n/.exec(mixed.stderr) ?? [];
  expect(command).toContain("prepare many/a.jsonl many/more/b.JSONL -o data/documents");
  expect(execFileSync(command, { cwd: folder, shell: true, encoding: "utf8" })).toContain("data/documents/");
});

test("hellaswag, tinystories and fineweb get llm.c's names", async () => {
  const hellaswag = await run(["prepare", "hellaswag", "-o", inFolder("hs")], { env: env() });
  expect([hellaswag.code, hellaswag.stdout]).toEqual([0, `${inFolder("hs")}/hellaswag_val.bin\n`]);
  const info = JSON.parse((await run(["info", inFolder("hs", "hellaswag_val.bin"), "--json"])).stdout);
  expect(info).toMatchObject({ format: "HellaSwag", examples: 3 });

  const stories = await run(["prepare", "tinystories", "-o", inFolder("ts"), "--json"], { env: env() });
  expect(stories.code, stories.stderr).toBe(0);
  expect(JSON.parse(stories.stdout)).toMatchObject({
    documents: 36,
    train: { file: "TinyStories_train.bin" },
    val: { file: "TinyStories_val.bin" },
  });

  const fineweb = await run(["prepare", "fineweb", "-o", inFolder("fw"), "--shard-tokens", "100"], { env: env() });
  expect(fineweb.code, fineweb.stderr).toBe(0);
  const names = readdirSync(inFolder("fw")).filter((name) => name.startsWith("fineweb"));
  expect(names.slice(0, 2)).toEqual(["fineweb_train_000001.bin", "fineweb_train_000002.bin"]);
  expect(names.at(-1)).toBe("fineweb_val_000000.bin");
});

test("a folder that is not finished, or in which another process prepares, is neither read nor written to", async () => {
  const out = inFolder("begun");
  mkdirSync(out);
  const writing = { pid: process.pid, host: hostname(), started: "2026-01-31T12:00:00.000Z" };
  writeFileSync(join(out, "prepare.lock"), JSON.stringify(writing));
  const isWriting = `process ${process.pid} on ${hostname()} is preparing data there, since 2026-01-31`;
  expect((await run(["info", out])).stderr).toContain(isWriting);
  const refused = await run(["prepare", inFolder("docs.jsonl"), "--tokenizer", "byte", "-o", out]);
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining(`prepare.lock is held by process ${process.pid}`),
  ]);
  writeFileSync(join(out, "prepare.json"), "{}");
  const readers = [
    ["info", out],
    ["train", "-e", "baby", "-i", out],
  ];
  for (const args of readers) expect((await run(args)).stderr).toContain(isWriting);
  rmSync(join(out, "prepare.lock"));
  for (const args of readers) expect((await run(args)).stderr).toContain("prepare has not finished there");
});

test.each<[string, string[], 1 | 2, RegExp]>([
  ["standard input twice", ["-", "-"], 2, /"-"\) is named twice, and can be read once/],
  [
    "a mixture",
    ["docs.jsonl", "x.txt"],
    2,
    /docs\.jsonl holds documents with fields, and x\.txt is a plain text\. Prepare them apart/,
  ],
  [
    "another tokenizer",
    ["docs.jsonl", "--tokenizer", "char"],
    2,
    /not with char, whose characters are known at the end. Give --tokenizer byte/,
  ],
  ["a missing file", ["none.jsonl"], 1, /none\.jsonl does not exist/],
  ["a missing field", ["docs.jsonl", "--field", "body"], 1, /line 1: the field "body" is missing.*are: text/],
  ["a shard of one token", ["docs.jsonl", "--shard-tokens", "1"], 2, /from 2 to/],
  ["no network", ["tinystories"], 1, /HF_HUB_OFFLINE/],
])("what cannot be prepared says why: %s", async (_, args, exit, message) => {
  const found = await run(["prepare", ...args, "-o", inFolder("bad")], { cwd: folder });
  expect(found.stderr).toMatch(message);
  expect([found.code, found.stdout]).toEqual([exit, ""]);
});
