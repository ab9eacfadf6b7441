/** `llm-ts eval` as a program; HellaSwag and LAMBADA come from a hub on this machine. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeHub } from "./fake-hub.ts";
import { fixturePath } from "./fixtures.ts";
import { hubModel } from "./hub-model.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();
const inFolder = (name: string) => join(folder, name);
const tiny = fixturePath("gpt2_tiny.bin");
const model = inFolder("model");
let hub: FakeHub;

const example = (label: number | string, ctx = "A man is on a roof. he") =>
  `${JSON.stringify({ ind: 1, ctx, label, endings: ["is here.", "pulls up roofing.", "holds a cube.", "rips tiles."] })}\n`;
const hellaswag = [3, 0, 1, "2"].map((label) => example(label)).join("");
const lambada = ["The cat sat on the mat", "So it was said and done"]
  .map((text) => JSON.stringify({ text }))
  .join("\n");

beforeAll(async () => {
  // Small, but with GPT-2's vocabulary and so its tokenizer.
  mkdirSync(model);
  for (const [name, content] of Object.entries(hubModel({ V: 50257 }))) writeFileSync(join(model, name), content);
  writeFileSync(inFolder("hellaswag_val.jsonl"), hellaswag);
  writeFileSync(inFolder("lambada.jsonl"), lambada);
  hub = await FakeHub.start();
  hub.add("datasets/Rowan/hellaswag", { "README.md": "", "data/hellaswag_val.jsonl": hellaswag });
  hub.add("datasets/EleutherAI/lambada_openai", {
    "data/lambada_test.jsonl": lambada,
    "data/lambada_test_de.jsonl": "",
  });
});
afterAll(() => hub.stop());

const evaluate = (...args: string[]) => run(["eval", ...args, "--threads", "2"]);

test("a token file: loss, perplexity, and no bytes without a tokenizer", async () => {
  writeTokens(inFolder("few.bin"), 100, 101);
  const { code, stdout, stderr } = await evaluate(inFolder("few.bin"), "--model", tiny);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^loss \d\.\d{6} \(99 tokens, block 16, stride 16\)\nperplexity \d+\.\d{4}\n$/);
  const json = async (...more: string[]) =>
    JSON.parse((await evaluate(inFolder("few.bin"), "--model", tiny, "--json", ...more)).stdout).loss;
  const whole = await json();
  expect(whole).toMatchObject({ tokens: 99, T: 16, stride: 16 });
  expect(stdout).toContain(`loss ${whole.loss.toFixed(6)} `);
  expect(await json("--stride", "4", "-t", "8", "--limit", "50")).toMatchObject({ tokens: 50, T: 8, stride: 4 });
  // The reference computes the same, to the rounding of float32 losses of about 6.
  expect((await json("--backend", "reference")).loss).toBeCloseTo(whole.loss, 5);
});

test("weights in fewer bits give the loss of the rounded weights, and rows that they cannot hold are refused", async () => {
  writeTokens(inFolder("narrow.bin"), 100, 101);
  const loss = async (...more: string[]) =>
    JSON.parse((await evaluate(inFolder("narrow.bin"), "--model", tiny, "--json", ...more)).stdout).loss.loss;
  const whole = await loss();
  for (const weights of ["bf16", "int8"]) {
    const narrow = await loss("--weights", weights);
    expect(narrow).not.toBe(whole);
    // Weights are off by 2^-8 of them, or of the largest of 32: the loss, about 5, by far less.
    expect(narrow).toBeCloseTo(whole, 2);
    expect(await loss("--weights", weights, "--backend", "reference")).toBeCloseTo(narrow, 5);
  }
  const { code, stderr } = await evaluate(inFolder("narrow.bin"), "--model", model, "--weights", "int8");
  expect(code).toBe(2);
  expect(stderr).toContain("int8 has a scale for every 32 numbers of a row, and wte.weight has rows of 8.");
});

test("a text, prepared data and standard input give the same bits per byte", async () => {
  const text = "The quick brown fox jumps over the lazy dog.\n".repeat(20);
  writeFileSync(inFolder("fox.txt"), text);
  await run(["prepare", inFolder("fox.txt"), "--val-fraction", "0.5", "-o", inFolder("fox")]);
  const direct = JSON.parse((await evaluate(inFolder("fox.txt"), "--model", model, "--json")).stdout);
  // All but the first token, "The".
  expect(direct.loss.bytes).toBe(text.length - 3);
  expect(direct.loss.bitsPerByte).toBeCloseTo(
    (direct.loss.loss * direct.loss.tokens) / Math.LN2 / direct.loss.bytes,
    10,
  );
  const piped = await run(["eval", "-", "--model", model, "--json"], { input: text });
  expect(JSON.parse(piped.stdout)).toEqual(direct);
  const val = await evaluate(inFolder("fox"), "--model", model);
  expect(val.stdout).toMatch(/^loss .*\nperplexity .*\nbits per byte \d+\.\d{4} \(4\d\d bytes\)\n$/);
});

test("a literal <|endoftext|> in an evaluation text is text", async () => {
  writeFileSync(inFolder("mark.txt"), "a <|endoftext|> b");
  const { stdout } = await evaluate(inFolder("mark.txt"), "--model", model, "--json");
  // All but the first of 64 1279 91 437 1659 5239 91 29 275.
  expect(JSON.parse(stdout).loss).toMatchObject({ tokens: 8, bytes: 16 });
});

test("of .jsonl the texts are scored, as those of prepared data", async () => {
  writeFileSync(
    inFolder("docs.jsonl"),
    ["one two", "a <|endoftext|> b"].map((body) => `${JSON.stringify({ body })}\n`).join(""),
  );
  const direct = await evaluate(inFolder("docs.jsonl"), "--field", "body", "--model", model, "--json");
  expect(direct.code, direct.stderr).toBe(0);
  const out = inFolder("docs");
  await run(["prepare", inFolder("docs.jsonl"), "--field", "body", "--val-fraction", "0", "-o", out]);
  const prepared = await evaluate(join(out, "train_000000.bin"), "--model", model, "--json");
  expect(JSON.parse(direct.stdout).loss).toEqual(JSON.parse(prepared.stdout).loss);
});

test("HellaSwag and LAMBADA, downloaded once and from files, score the same", async () => {
  const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: inFolder("cache"), HF_HUB_OFFLINE: "" };
  const args = ["eval", "--model", model, "--hellaswag", "--lambada", "--json"];
  const first = await run(args, { env });
  expect(first.code, first.stderr).toBe(0);
  expect(first.stderr).toContain("Downloading Rowan/hellaswag");
  const asked = hub.asked.length;
  const again = await run(args, { env: { ...env, HF_HUB_OFFLINE: "1" } });
  expect(again.stdout).toBe(first.stdout);
  expect(hub.asked.length).toBe(asked);
  const files = ["--hellaswag", inFolder("hellaswag_val.jsonl"), "--lambada", inFolder("lambada.jsonl")];
  expect((await evaluate("--model", model, ...files, "--json")).stdout).toBe(first.stdout);
  const found = JSON.parse(first.stdout);
  // One of the four labels is the model's choice.
  expect(found.hellaswag).toMatchObject({ examples: 4, acc: { value: 0.25, stderr: 0.25 } });
  expect(found.lambada).toMatchObject({ examples: 2, acc: { value: 0 } });
  const { stdout, stderr } = await evaluate("--model", model, ...files, "--limit", "2");
  expect(stdout).toMatch(/^HellaSwag: acc 0\.\d{4} ± 0\.\d{4}, acc_norm 0\.\d{4} ± 0\.\d{4} \(2 examples\)$/m);
  expect(stdout).toMatch(/^LAMBADA: acc 0\.0000 ± 0\.0000, perplexity \d+\.\d{4} \(2 examples\)$/m);
  expect(stderr).toMatch(/0\.2859 and 0\.2955/);
});

test.each<[string, string[], 1 | 2, RegExp]>([
  ["nothing", [], 2, /Nothing to score.*--hellaswag/s],
  ["a stride without data", ["--lambada", "x", "--stride", "3"], 2, /only token files and texts are read so/],
  ["a block too long", ["few.bin", "-t", "17"], 2, /T = 17 tokens, expected 1 to 16/],
  ["a stride above the block", ["few.bin", "-t", "8", "--stride", "9"], 2, /stride is 9, expected 1 to T = 8/],
  ["a limit of 0", ["few.bin", "--limit", "0"], 2, /1 or more/],
  ["a missing file", ["none.bin"], 1, /none\.bin does not exist/],
  ["a missing file, before another is scored", ["few.bin", "--hellaswag", "none.bin"], 1, /none\.bin does not exist/],
  ["the same for LAMBADA", ["few.bin", "--lambada", "none.jsonl"], 1, /none\.jsonl does not exist/],
  ["standard input twice", ["-", "few.bin", "-"], 2, /"-"\) is named twice, and can be read once/],
  ["a folder without data", ["."], 1, /holds no validation data/],
  ["a text without a tokenizer", ["note.txt"], 1, /has no tokenizer/],
  ["an offline hub", ["--lambada"], 1, /HF_HUB_OFFLINE/],
  ["no JSON", ["--lambada", "bad.jsonl"], 1, /bad\.jsonl, line 2 is not JSON/],
  [
    "another field",
    ["--lambada", "hellaswag_val.jsonl"],
    1,
    /line 1: the field "text" is missing.*ctx, label, endings/,
  ],
  ["no parquet", ["--lambada", "bad.parquet"], 1, /bad\.parquet is not a parquet file/],
  ["no label", ["--hellaswag", "test.jsonl"], 1, /line 1: "label" is "", expected 0 to 3/],
  ["a HellaSwag file as data", ["hs.bin"], 1, /give it with --hellaswag/],
])("what cannot be scored says why: %s", async (_, args, exit, message) => {
  writeTokens(inFolder("few.bin"), 100, 101);
  writeFileSync(inFolder("note.txt"), "some text");
  writeFileSync(inFolder("bad.jsonl"), '{"text":"one two"}\n{"text":\n');
  writeFileSync(inFolder("bad.parquet"), "no parquet at all");
  writeFileSync(inFolder("test.jsonl"), example(""));
  writeFileSync(inFolder("hs.bin"), new Int32Array([20240522, 1, ...new Array(254).fill(0)]));
  // HellaSwag's text needs a tokenizer before its labels are looked at.
  const used = args.includes("test.jsonl") ? model : tiny;
  const found = await run(["eval", "--model", used, "--threads", "1", ...args], { cwd: folder });
  expect(found.stderr).toMatch(message);
  expect([found.code, found.stdout]).toEqual([exit, ""]);
});
