import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { GPT2 } from "../src/api/gpt2.ts";
import { save } from "../src/format/save.ts";
import { writeVocabulary } from "../src/format/tokenizer.ts";
import { makeConfig } from "../src/model/config.ts";
import { charTokenizerOf } from "../src/tokenizer/char.ts";
import { fixturePath } from "./fixtures.ts";
import { result, run, start, testFolder, written } from "./run-cli.ts";

const letters = "abcdefghijklmnopqrstuvwxyz \n";
const folder = testFolder();
const model = join(folder, "model.bin");

beforeAll(async () => {
  const tokenizer = charTokenizerOf(letters);
  const config = makeConfig({ maxT: 64, V: letters.length, L: 2, NH: 2, C: 32 });
  const made = await GPT2.create(config, { backend: "reference", tokenizer });
  await made.save(model);
  await made.dispose();
  await save(join(folder, "tokenizer.bin"), (sink) => writeVocabulary(sink, tokenizer.tokens(), tokenizer.endOfText));
});

const generate = (...args: string[]) => run(["generate", "--model", model, "--threads", "2", ...args]);
const json = async (...args: string[]) =>
  (await generate("--json", ...args)).stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("several samples: each is what its seed writes alone", async () => {
  const samples = await json("the sea", "-n", "3", "-g", "20", "--seed", "5");
  expect(samples.map(({ sample, seed }) => [sample, seed])).toEqual([
    [0, 5],
    [1, 6],
    [2, 7],
  ]);
  const [alone] = await json("the sea", "-g", "20", "--seed", "7");
  expect(samples[2]).toMatchObject({ tokens: alone.tokens, text: alone.text, logprobs: alone.logprobs });

  const { stdout } = await generate("the sea", "-n", "3", "-g", "20", "--seed", "5");
  for (const { seed, text } of samples)
    expect(stdout).toContain(`--- sample ${seed - 4}, seed ${seed}\nthe sea${text}`);
});

test("JSON has each token's id, text and log-probability, and the most probable ones", async () => {
  const [greedy] = await json("a", "-g", "3", "--temperature", "0", "--logprobs", "2");
  expect(greedy).toMatchObject({ prompt: "a", promptTokens: [expect.any(Number)], seed: 1337, stopped: "length" });
  expect(greedy.logprobs).toHaveLength(3);
  for (const [i, { id, text, logprob, top }] of greedy.logprobs.entries()) {
    expect([id, text]).toEqual([greedy.tokens[i], greedy.text[i]]);
    expect(top).toHaveLength(2);
    expect(top[0]).toEqual({ id, text, logprob });
    expect(logprob).toBeLessThan(0);
  }
});

test("a stop string ends the text and is not part of it", async () => {
  const [whole] = await json("a", "-g", "30");
  const stop = whole.text.slice(10, 13);
  const [ended] = await json("a", "-g", "30", "--stop", "no such text", "--stop", stop);
  expect(ended).toMatchObject({ text: whole.text.slice(0, whole.text.indexOf(stop)), stopped: "stop" });
});

test("llm.c's way, with a whole recomputation for each token, chooses the same tokens", async () => {
  const args = ["ab", "-g", "30"];
  expect((await generate(...args, "--llmc-sampling")).stdout).toBe((await generate(...args)).stdout);
  const mixed = await generate(...args, "--llmc-sampling", "--top-k", "3");
  expect(mixed).toMatchObject({ code: 2, stderr: expect.stringContaining("llm.c's sampling has one temperature") });
  const long = await generate("--llmc-sampling", "-g", "64");
  expect(long).toMatchObject({ code: 2, stderr: expect.stringContaining("the model has 64 positions") });
});

test("a prompt longer than the model's positions is used from its end, and that is said", async () => {
  const { code, stderr, stdout } = await generate("long ".repeat(20), "-g", "5");
  expect(stderr).toContain("The prompt has 100 tokens and the model 64 positions: it sees the last 64.");
  expect(stdout).toMatch(/^(long ){20}/);
  expect(code).toBe(0);
  expect((await generate("a", "-g", "64")).stderr).toContain("it drops the older half");
});

test("without a tokenizer, prompt and text are token ids", async () => {
  const ids = (...args: string[]) =>
    run(["generate", "--model", fixturePath("gpt2_tiny.bin"), "--threads", "2", "-g", "4", ...args]);
  expect((await ids("1, 2 3")).stdout).toMatch(/^1 2 3 (\d+ ){4}\n$/);
  expect((await ids()).code).toBe(0);
  expect(await ids("hello")).toMatchObject({ code: 1, stderr: expect.stringContaining('"hello" is none') });
  expect((await ids("101")).stderr).toContain("token 101, and the model knows 0 to 100");
  expect((await ids("1", "--stop", "x")).stderr).toContain("has no tokenizer");
});

test("invalid options are refused", async () => {
  for (const args of [
    ["--top-k", "-1"],
    ["--min-p", "1.5"],
    ["--repetition-penalty", "0"],
    ["--temperature", "x"],
    ["--samples", "0"],
    ["--stop", ""],
    ["--logprobs", "3"],
    ["--interactive", "--json"],
  ])
    expect((await generate("a", ...args)).code, args.join(" ")).toBe(2);
});

test.skipIf(process.platform === "win32").each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s ends a text, and the exit code %i says that it is no whole one", async (signal, code) => {
  const child = start(["generate", "the sea", "--model", model, "-g", "10000000"]);
  const done = result(child);
  await written(child.stdout, "the sea");
  child.kill(signal);
  expect((await done).code).toBe(code);
});

describe("interactive", () => {
  const args = ["generate", "--interactive", "--model", model, "--threads", "2", "-g", "12"];
  const converse = (...lines: string[]) => run(args, { input: lines.map((line) => `${line}\n`).join("") });

  test("what is written is continued, retried, shown and cleared", async () => {
    const { code, stdout } = await converse("the sea", "/retry", "/show", "/clear", "/temperature 0", "a", "/show");
    expect(code).toBe(0);
    const { text } = (await json("the sea", "-g", "12"))[0];
    const again = (await json("the sea", "-g", "12", "--seed", "1338"))[0];
    expect(stdout.startsWith(`the sea${text}`)).toBe(true);
    expect(stdout).toContain(`the sea${again.text}\n--- temperature 1,`);
    const greedy = (await json("a", "-g", "12", "--temperature", "0"))[0];
    expect(stdout).toContain(`a${greedy.text}\n--- temperature 0,`);
  });

  test("a mistake is reported, and the conversation continues", async () => {
    const { code, stdout, stderr } = await converse("/nonsense", "/top-k many", "ABC", "/help", "/exit", "not read");
    expect(stderr).toContain("There is no command /nonsense");
    expect(stderr).toContain("/top-k many: Expected a whole number");
    expect(stderr).toContain('The character "A"');
    expect(stdout).toMatch(/\/retry +write the last piece again/);
    expect(stdout).not.toContain("not read");
    expect(stderr).not.toContain("Write something");
    // A script is to know of it.
    expect(code).toBe(1);
    expect(await converse("  /top-k 3", " /quit ", "ABC")).toMatchObject({ code: 0, stdout: "" });
    expect((await converse("/top-k 3", "a", "")).code).toBe(0);
  });

  test("Ctrl-C stops what is being written, and then ends the conversation", async () => {
    const child = start(["generate", "--interactive", "--model", model, "-g", "10000000"]);
    const done = result(child);
    const begun = written(child.stdout, "the sea");
    child.stdin.write("the sea\n");
    await begun;
    const shown = written(child.stdout, "--- temperature 1");
    child.kill("SIGINT");
    child.stdin.write("/show\n");
    await shown;
    child.kill("SIGINT");
    expect((await done).code).toBe(130);
  });
});
