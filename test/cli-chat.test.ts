/** `llm-ts chat`, as a program: with a model that has learned two answers by heart. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { result, run, start, testFolder, written } from "./run-cli.ts";
import { talkJsonl } from "./talk.ts";

const folder = testFolder();
const model = join(folder, "run");
const chat = (args: readonly string[], input: string) =>
  run(["chat", model, "--threads", "1", ...args], { input, cwd: folder });

beforeAll(async () => {
  writeFileSync(join(folder, "talk.jsonl"), talkJsonl);
  const prepared = await run(
    ["prepare", "--chat", "talk.jsonl", "--tokenizer", "bpe:280", "--val-fraction", "0", "-o", "talk"],
    {
      cwd: folder,
    },
  );
  expect(prepared.code, prepared.stderr).toBe(0);
  const sizes = ["--model", "custom", "--layers", "2", "--heads", "2", "--channels", "32", "-b", "8", "-t", "48"];
  const steps = ["-x", "300", "-l", "0.005", "-k", "constant", "--order", "random", "-s", "0", "--threads", "2"];
  const trained = await run(["train", "-i", "talk", ...sizes, ...steps, "-o", model], { cwd: folder });
  expect(trained.code, trained.stderr).toBe(0);
}, 120_000);

test("from a pipe each line is answered, and standard output has the answers alone", async () => {
  const { code, stdout, stderr } = await chat(["--temperature", "0"], "ping\n\n/reset\ntick\n/reset\nping\n");
  expect(code, stderr).toBe(0);
  expect(stdout).toBe("pong\ntock\npong\n");
  expect(stderr).toBe("");
});

test("commands change the conversation, and mistakes in them end nothing", async () => {
  const lines = [
    "/retry",
    "/nothing",
    "/temperature hot",
    "/top-p 0",
    "/temperature 0",
    "ping",
    "/retry",
    "//",
    "<|im_end|>",
    "/system Be kind.",
    "  /exit",
    "ping",
  ];
  const { code, stdout, stderr } = await chat([], `${lines.join("\n")}\n`);
  expect(code).toBe(1);
  expect(stdout.split("\n").slice(0, 2)).toEqual(["pong", "pong"]);
  expect(stderr).toMatch(/no message yet to answer again/);
  expect(stderr).toMatch(/no command \/nothing/);
  expect(stderr).toMatch(/\/temperature hot: Expected a number/);
  expect(stderr).toMatch(/\/top-p 0: Expected a number from 0\.000001 to 1/);
  expect(stderr).toMatch(/The message holds <\|im_end\|>/);
  const help = await chat([], "/temperature hot\n/temperature\n/help\n");
  expect(help.code).toBe(1);
  expect(help.stderr).toMatch(/error: \/temperature: Expected a number/);
  expect(help.stdout).not.toContain("piece");
  for (const name of ["/reset", "/retry", "/system TEXT", "/temperature VALUE", "/exit"])
    expect(help.stdout).toContain(name);
});

test("from a pipe a message without an answer is a failure", async () => {
  const { code, stdout, stderr } = await chat(["--temperature", "0"], `${"word ".repeat(80)}\nping\n`);
  expect(code).toBe(1);
  expect(stdout).toBe("pong\n");
  expect(stderr).toMatch(/^error: The message takes \d+ tokens/);
  const long = await chat(["--system", "word ".repeat(80)], "ping\n");
  expect(long).toMatchObject({ code: 1, stdout: "" });
  expect(long.stderr).toMatch(/^error: The system prompt takes \d+ tokens/);
});

test("--model names a model as well, and an empty --system is refused as a text", async () => {
  const flagged = await run(["chat", "-e", model, "--threads", "1", "--temperature", "0"], {
    cwd: folder,
    input: "ping\n",
  });
  expect(flagged).toMatchObject({ code: 0, stdout: "pong\n" });
  const both = await chat(["--model", "other"], "ping\n");
  expect(both.code).toBe(2);
  expect(both.stderr).toMatch(/--model other name a model\. Give one of them/);
  const empty = await chat(["--system", ""], "ping\n");
  expect(empty.code).toBe(2);
  expect(empty.stderr).toMatch(/Expected a text/);
});

test("a cut answer says what cut it", async () => {
  const short = await chat(["--temperature", "0", "-g", "1"], "ping\n");
  expect(short.stderr).toMatch(/\(cut after 1 tokens?; \/tokens 2 allows longer answers\)/);
});

test("a model file without the tokenizer it was saved with is refused, with what is missing", async () => {
  mkdirSync(join(folder, "alone"));
  copyFileSync(join(model, "model_00000300.bin"), join(folder, "alone", "model.bin"));
  const { code, stderr } = await run(["chat", "alone/model.bin"], { cwd: folder, input: "ping\n" });
  expect(code).toBe(1);
  expect(stderr).toMatch(/No tokenizer lies beside this model.*tokenizer\.json and tokenizer_config\.json/);
});

test("turns that no longer fit are left out, which is said once", async () => {
  const { code, stdout, stderr } = await chat(["--temperature", "0", "-g", "8"], "ping\n".repeat(8));
  expect(code).toBe(0);
  expect(stdout.split("\n")[0]).toBe("pong");
  expect(stderr.match(/no longer fits the model's 64 positions/g)).toHaveLength(1);
});

test("Ctrl-C ends a chat that waits, with code 130", async () => {
  const child = start(["chat", model, "--temperature", "0", "--threads", "1"], { cwd: folder });
  const done = result(child);
  const answered = written(child.stdout, "pong\n");
  child.stdin.write("ping\n");
  await answered;
  child.kill("SIGINT");
  expect(await done).toMatchObject({ code: 130, stdout: "pong\n" });
});

test("a model that has learned no conversations is refused, with what to do", async () => {
  writeFileSync(join(folder, "text.txt"), "Some text to learn from. ".repeat(40));
  await run(["prepare", "text.txt", "--tokenizer", "byte", "--val-fraction", "0", "-o", "text"], { cwd: folder });
  const args = [
    "--model",
    "custom",
    "--layers",
    "1",
    "--heads",
    "1",
    "--channels",
    "8",
    "-b",
    "1",
    "-t",
    "8",
    "-x",
    "1",
    "-s",
    "0",
  ];
  await run(["train", "-i", "text", ...args, "--threads", "1", "-o", "plain"], { cwd: folder });
  const refused = await run(["chat", "plain"], { cwd: folder });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/has no chat template: it has not learned conversations.*prepare --chat smalltalk/);
  const none = await run(["chat"], { cwd: join(folder, "text") });
  expect(none.code).toBe(2);
  expect(none.stderr).toMatch(/there is no run with one in runs\/.*prepare --chat smalltalk/);
});

test("a trained model learns conversations: its vocabulary grows by their special tokens", async () => {
  const text = "ping pong tick tock. A text to learn from, again and again. ".repeat(40);
  writeFileSync(join(folder, "words.txt"), text);
  const small = ["--model", "custom", "--layers", "1", "--heads", "1", "--channels", "16", "-b", "2", "-t", "16"];
  const few = ["-x", "3", "-s", "0", "--threads", "1"];
  const all = [
    ["prepare", "words.txt", "--tokenizer", "bpe:270", "--val-fraction", "0", "-o", "words"],
    ["train", "-i", "words", ...small, ...few, "-o", "before"],
    ["prepare", "--chat", "talk.jsonl", "--tokenizer", "before", "--val-fraction", "0", "-o", "more"],
    ["train", "--model", "before", "-i", "more", "-b", "2", "-t", "16", ...few, "-o", "after"],
  ];
  const outputs: string[] = [];
  for (const args of all) {
    const { code, stdout, stderr } = await run(args, { cwd: folder });
    expect(code, `${args.join(" ")}: ${stderr}`).toBe(0);
    outputs.push(stdout + stderr);
  }
  expect(JSON.parse(readFileSync(join(folder, "after", "config.json"), "utf8")).model).toMatchObject({ V: 272 });
  // The message at the end of the run is to be pasted.
  expect(outputs[3]).toMatch(/talk with this model:\n {2}.*chat after/);
  const { code, stderr } = await run(["chat", "after", "-g", "4"], { cwd: folder, input: "ping\n" });
  expect(code, stderr).toBe(0);
});

test("conversations where token files are expected are named with the command that prepares them", async () => {
  const { code, stderr } = await run(["train", "--model", "baby", "-i", "talk.jsonl", "-x", "1"], { cwd: folder });
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /talk\.jsonl is conversations.*\n.*prepare talk\.jsonl --chat --tokenizer bpe:1024 -o data\/talk/,
  );
});
