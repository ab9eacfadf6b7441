/** `llm-ts tokenizer` and `prepare --tokenizer bpe:N` as a program. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run, testFolder } from "./run-cli.ts";

const folder = testFolder();
const llmTs = (...args: string[]) => run(args, { cwd: folder });

test("train writes a tokenizer, says how well it does and what comes next; compare puts it beside others", async () => {
  const { code, stdout, stderr } = await llmTs("tokenizer", "train", "tinyshakespeare", "--vocab", "512", "-o", "bpe");
  expect([code, stdout.trim().split("\n")]).toEqual([
    0,
    readdirSync(join(folder, "bpe"))
      .map((name) => `bpe/${name}`)
      .sort(byOrder),
  ]);
  const [, bytes] = /512 tokens; one stands for ([\d.]+) bytes/.exec(stderr) ?? [];
  const [, ...next] = /Next: .*?main\.js (prepare .*)/.exec(stderr)?.[1].split(" ") ?? [];
  expect(next).toEqual(["tinyshakespeare", "--tokenizer", "bpe"]);
  const compared = await llmTs("tokenizer", "compare", "tinyshakespeare", "-t", "bpe", "byte", "--json");
  const [own, byte] = JSON.parse(compared.stdout);
  expect(own).toMatchObject({ name: "bpe", vocabSize: 512 });
  expect(own.bytesPerToken.toFixed(2)).toBe(bytes);
  expect(byte).toEqual({ name: "byte", vocabSize: 256, tokens: 1115394, bytesPerToken: 1 });
  const table = await llmTs("tokenizer", "compare", "tinyshakespeare", "-t", "bpe", "-t", "byte");
  expect(table.stdout).toMatch(
    /^tokenizer +vocabulary +tokens +bytes a token\nbpe +512 .*\nbyte +256 +1,115,394 +1\.00\n$/,
  );
});

test("a tokenizer's folder is no text: info describes it, and prepare refuses it", async () => {
  await llmTs("tokenizer", "train", "tinyshakespeare", "--vocab", "300", "-o", "mine");
  const whole = await llmTs("info", "mine");
  expect([whole.code, whole.stderr]).toEqual([0, ""]);
  expect(whole.stdout).toMatch(
    /format +folder of a tokenizer\ntokenizer +huggingface, 300 tokens\nfiles +merges\.txt, /,
  );
  const refused = await llmTs("prepare", "mine", "-o", "prepared");
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("mine holds no text files")]);
  const merges = await llmTs("info", "mine/merges.txt");
  expect(merges.stdout).toMatch(/merges of a BPE tokenizer\nbytes +\d+\nmerges +43\nvocabulary +vocab\.json beside it/);
  rmSync(join(folder, "mine", "vocab.json"));
  expect((await llmTs("info", "mine/merges.txt")).stdout).toMatch(/vocabulary +none: vocab\.json belongs beside it/);
});

const byOrder = (a: string, b: string) => order.indexOf(a) - order.indexOf(b);
const order = ["tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "tokenizer.bin"].map(
  (name) => `bpe/${name}`,
);

test("prepare trains a vocabulary and encodes in it; a model learns in it and writes text", async () => {
  writeFileSync(join(folder, "book.txt"), "the cat sat on the mat, the dog on the log.\n".repeat(200));
  const prepared = await llmTs("prepare", "book.txt", "--tokenizer", "bpe:265", "-o", "book", "--json");
  expect(JSON.parse(prepared.stdout)).toMatchObject({ tokenizer: "huggingface", vocabSize: 265, bytes: 8800 });
  const model = ["-e", "custom", "--layers", "1", "--heads", "1", "--channels", "16", "-t", "8", "-b", "2"];
  const trained = await llmTs("train", "-i", "book", ...model, "-x", "3", "-o", "run", "-s", "0");
  expect([trained.code, JSON.parse(readFileSync(join(folder, "run/config.json"), "utf8")).model.V]).toEqual([0, 265]);
  const written = await llmTs("generate", "-e", "run", "the cat", "--tokens", "4");
  expect([written.code, written.stdout]).toEqual([0, expect.stringContaining("the cat")]);
});

test("a field of .jsonl is the text, for train and prepare", async () => {
  const line = JSON.stringify({ body: "the cat sat on the mat, the dog on the log.\n" });
  writeFileSync(join(folder, "docs.jsonl"), `${line}\n`.repeat(200));
  const trained = await llmTs(
    "tokenizer",
    "train",
    "docs.jsonl",
    "--field",
    "body",
    "--vocab",
    "265",
    "-o",
    "fields",
    "--json",
  );
  expect(JSON.parse(trained.stdout)).toMatchObject({ vocabSize: 265, bytes: 8800 });
  const prepared = await llmTs("prepare", "docs.jsonl", "--field", "body", "--tokenizer", "bpe:265", "-o", "docs");
  expect([prepared.code, prepared.stdout]).toEqual([0, expect.stringContaining("huggingface, 265 tokens")]);
  expect(readFileSync(join(folder, "docs/tokenizer.json"))).toEqual(
    readFileSync(join(folder, "fields/tokenizer.json")),
  );
});

test.each<[code: number, message: RegExp, ...args: string[]]>([
  [2, /vocabulary is 100, expected a whole number from 257/, "prepare", "book.txt", "--tokenizer", "bpe:100"],
  [2, /--tokenizer bpe:many: expected the size .* as in bpe:8192/, "prepare", "book.txt", "--tokenizer", "bpe:many"],
  [2, /reads the text twice/, "prepare", "-", "--tokenizer", "bpe:300"],
  [2, /Expected a whole number from 257/, "tokenizer", "train", "book.txt", "--vocab", "12"],
  [
    1,
    /The text gives \d+ tokens, and 9000 were asked for/,
    "tokenizer",
    "train",
    "book.txt",
    "--vocab",
    "9000",
    "-o",
    "no",
  ],
  [
    1,
    /book\.txt is a file\. Give the name of a folder/,
    "tokenizer",
    "train",
    "book.txt",
    "--vocab",
    "300",
    "-o",
    "book.txt",
  ],
  [2, /required option '--vocab <n>'[\s\S]*tokenizer train --help shows/, "tokenizer", "train", "book.txt"],
  [2, /unknown command 'trian'/, "tokenizer", "trian"],
  [1, /nothere/, "tokenizer", "compare", "book.txt", "-t", "nothere"],
])("exit code %i and %s", async (code, message, ...args) => {
  const found = await llmTs(...args);
  expect([found.code, found.stderr]).toEqual([code, expect.stringMatching(message)]);
  expect(existsSync(join(folder, "no"))).toBe(false);
});
