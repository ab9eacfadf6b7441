/** A model and its tokenizer belong together: in prepare, train, generate, convert and back. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { run, testFolder } from "./run-cli.ts";

const folder = testFolder();
const place = (...names: string[]) => join(folder, ...names);
const llm = async (...args: string[]) => {
  const result = await run(args, { cwd: folder, env: { LLM_TS_CACHE: place("cache") } });
  return { ...result, all: result.stdout + result.stderr };
};
const ok = async (...args: string[]) => {
  const result = await llm(...args);
  expect(result.code, result.all).toBe(0);
  return result;
};
const json = (...names: string[]) => JSON.parse(readFileSync(place(...names), "utf8"));
const small = ["--layers", "1", "--heads", "1", "--channels", "8", "--context", "16", "-t", "8", "-b", "1", "-x", "0"];
const promptTokens = async (model: string, prompt: string) => {
  const { stdout } = await ok("generate", prompt, "--model", model, "-n", "1", "--json");
  return JSON.parse(stdout).promptTokens;
};

/** A byte-level BPE of 256 bytes, a few merges and two added tokens. */
const oracle = JSON.parse(readFileSync(new URL("fixtures/tokenizers.json", import.meta.url), "utf8")).base;
const V = Object.keys(oracle.model.vocab).length + 1;
const user = V - 1;

beforeAll(() => {
  mkdirSync(place("foreign"));
  const added = [...oracle.added_tokens, { ...oracle.added_tokens[0], id: user, content: "<|user|>" }];
  writeFileSync(place("foreign/tokenizer.json"), JSON.stringify({ ...oracle, added_tokens: added }));
  writeFileSync(place("foreign/tokenizer_config.json"), JSON.stringify({ eos_token: "<|endoftext|>" }));
  writeFileSync(place("text.txt"), "the thing in the ab abc <|user|> the other thing\n".repeat(40));
  writeFileSync(place("lines.jsonl"), Array.from({ length: 200 }, (_, i) => `{"text":"the thing ${i}"}\n`).join(""));
});

test("prepare, train, resume, convert and back keep any tokenizer", async () => {
  const prepared = await ok("prepare", "text.txt", "--tokenizer", "foreign", "-o", "data");
  expect(prepared.stdout).toMatch(/data\/tokenizer\.json: huggingface, 269 tokens/);
  expect(json("data/dataset.json")).toMatchObject({ tokenizer: "huggingface", vocabSize: V });
  await ok("train", "--model", "custom", "-i", "data", ...small, "-o", "run");
  expect(await promptTokens("run", "the<|user|>")).toEqual([257, user]);
  await ok("train", "-o", "run", "--resume", "-x", "2", "--force");
  await ok("convert", "run", "hub");
  expect(json("hub/tokenizer.json").added_tokens).toHaveLength(2);
  expect(await promptTokens("hub", "the<|user|>")).toEqual([257, user]);
  await ok("convert", "hub", "back/model.bin");
  expect(await promptTokens("back/model.bin", "the<|user|>")).toEqual([257, user]);
  expect((await ok("encode", "the<|user|>", "--tokenizer", "foreign/tokenizer.json")).stdout).toBe(`257 ${user}\n`);
  copyFileSync(place("foreign/tokenizer.json"), place("other.json"));
  for (const name of ["other.json", "run", "data", "back/model.bin", "hub/model.safetensors"])
    expect((await ok("encode", "the<|user|>", "--tokenizer", name)).stdout, name).toBe(`257 ${user}\n`);
  await ok("train", "--model", "hub", "-i", "data", "-t", "8", "-b", "1", "-x", "1", "-o", "tuned");
  expect(await promptTokens("tuned", "the<|user|>")).toEqual([257, user]);
  await ok("eval", "text.txt", "--model", "tuned", "--limit", "20");
  await ok("prepare", "lines.jsonl", "--tokenizer", "run", "-o", "lines");
  expect(json("lines/dataset.json")).toMatchObject({ tokenizer: "huggingface", documents: 200 });
}, 120_000);

test("a character model is trained on another text in its own characters", async () => {
  writeFileSync(place("a.txt"), "abcdefgh\n".repeat(60));
  writeFileSync(place("b.txt"), "hgf ab\n".repeat(60));
  writeFileSync(place("c.txt"), "hgfab\n".repeat(60));
  await ok("prepare", "a.txt", "--tokenizer", "char", "-o", "a");
  await ok("train", "--model", "custom", "-i", "a", ...small, "-o", "chars");
  const refused = await llm("prepare", "b.txt", "--tokenizer", "chars", "-o", "b");
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringMatching(/b\.txt: The character " " .* not among the 9/),
  ]);
  await ok("prepare", "c.txt", "--tokenizer", "chars", "-o", "c");
  await ok("prepare", "c.txt", "--tokenizer", "char", "-o", "own");
  await ok("train", "--model", "chars", "-i", "c", "-t", "8", "-b", "1", "-x", "1", "-o", "more");
  expect(await promptTokens("more", "h")).toEqual([8]);
  const other = await llm("train", "--model", "chars", "-i", "own", "-t", "8", "-b", "1", "-x", "1");
  expect(other.code).toBe(1);
  expect(other.stderr).toMatch(/other tokens than .*prepare .*--tokenizer/s);
}, 60_000);

test("convert never leaves a model beside another's tokenizer", async () => {
  for (const [name, alphabet] of [
    ["small", "abcdefghijklmnop"],
    ["large", "ABCDEFGHIJKLMNOP"],
  ]) {
    writeFileSync(place(`${name}.txt`), alphabet.repeat(20));
    await ok("prepare", `${name}.txt`, "--tokenizer", "char", "-o", `${name}-data`);
    await ok("train", "--model", "custom", "-i", `${name}-data`, ...small, "-o", `${name}-run`);
  }
  await ok("convert", "small-run", "both/small.bin");
  for (const target of ["both/large.bin", "both/large.safetensors"])
    for (const force of [[], ["--force"]]) {
      const refused = await llm("convert", "large-run", target, ...force);
      expect([refused.code, refused.stderr]).toEqual([
        1,
        expect.stringMatching(
          /both holds another tokenizer \(tokenizer\.bin\), which belongs to small\.bin.*folder of its own/s,
        ),
      ]);
      expect(existsSync(place(target))).toBe(false);
    }
  await ok("convert", "small-run", "replaced");
  await ok("convert", "large-run", "replaced", "--force");
  expect(await promptTokens("replaced", "A")).toEqual([0]);
  // The hub's files of the earlier tokenizer are removed, too.
  await ok("prepare", "text.txt", "--tokenizer", "foreign", "-o", "data-2");
  await ok("train", "--model", "custom", "-i", "data-2", ...small, "-o", "run-2");
  await ok("convert", "run-2", "replaced", "--force");
  expect(readdirSync(place("replaced"))).not.toContain("tokenizer.bin");
  await ok("convert", "small-run", "replaced", "--force");
  expect(readdirSync(place("replaced")).filter((name) => /tokenizer/.test(name))).toEqual(["tokenizer.bin"]);
  expect(await promptTokens("replaced", "a")).toEqual([0]);
}, 120_000);

test("GPT-2's vocabulary padded to 50304 goes through train, convert and back", async () => {
  writeFileSync(place("words.txt"), "Hello world, hello again.\n".repeat(20));
  await ok("prepare", "words.txt", "-o", "words");
  await ok("train", "--model", "custom", "--vocab", "50304", "-i", "words", ...small, "-o", "padded");
  await ok("convert", "padded", "padded-hub");
  expect(json("padded-hub/config.json")).toMatchObject({ vocab_size: 50304, eos_token_id: 50256 });
  expect(await promptTokens("padded-hub", "Hello")).toEqual([15496]);
  await ok("train", "--model", "padded-hub", "-i", "words", "-t", "8", "-b", "1", "-x", "1");
  await ok("convert", "padded-hub", "padded-bin/model.bin");
  expect(await promptTokens("padded-bin/model.bin", "Hello")).toEqual([15496]);
  writeFileSync(place("padded-hub/generation_config.json"), JSON.stringify({ eos_token_id: [50256, 11] }));
  await ok("convert", "padded-hub", "ends.bin");
  await ok("convert", "ends.bin", "ends");
  expect(json("ends/generation_config.json").eos_token_id).toEqual([50256, 11]);
}, 120_000);

test("a tokenizer of 50,258 tokens beside a model of GPT-2's 50,257 is the model's, and its further token is refused", async () => {
  await ok("train", "--model", "custom", "--vocab", "50257", ...small, "-o", "exact");
  await ok("convert", "exact", "exact-hub");
  const tokenizer = json("exact-hub/tokenizer.json");
  const { vocab } = tokenizer.model;
  [vocab.Hello, vocab["\u0120world"]] = [vocab["\u0120world"], vocab.Hello];
  tokenizer.added_tokens.push({ ...tokenizer.added_tokens[0], id: 50257, content: "<|user|>" });
  writeFileSync(place("exact-hub/tokenizer.json"), JSON.stringify(tokenizer));
  for (const name of ["vocab.json", "merges.txt"]) rmSync(place("exact-hub", name));
  expect(await promptTokens("exact-hub", "Hello world")).toEqual([995, 15496]);
  const refused = await llm("generate", "Hello<|user|>", "--model", "exact-hub", "-n", "1");
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringMatching(/token 50257, and the model knows 0 to 50256/),
  ]);
  await ok("convert", "exact-hub", "exact-bin/model.bin");
  expect(await promptTokens("exact-bin/model.bin", "Hello world")).toEqual([995, 15496]);
}, 120_000);

test("what is not a tokenizer is named", async () => {
  writeFileSync(place("old.model"), "minbpe v1\n");
  expect((await llm("encode", "x", "--tokenizer", "old.model")).stderr).toMatch(/tokenizer of minbpe's/);
  expect((await llm("encode", "x", "--tokenizer", "text.txt")).stderr).toMatch(/text\.txt is not a tokenizer/);
  expect((await llm("prepare", "text.txt", "--tokenizer", "nowhere")).stderr).toMatch(/nowhere/);
  rmSync(place("old.model"));
});
