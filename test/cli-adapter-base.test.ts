/** The model that an adapter adapts, as a program's user meets it: replaced, moved, pruned, named in several ways. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();
const llm = (...args: string[]) => run(args, { cwd: folder });
const at = (...names: string[]) => join(folder, ...names);
const data = ["-i", "train.bin", "-j", "val.bin", "-b", "2", "-t", "8", "-v", "2", "-m", "2", "-s", "0", "-l", "1e-2"];
const adapted = (base: string, ...args: string[]) =>
  llm("train", "-e", base, ...data, "--lora-rank", "4", "-x", "4", "-n", "2", ...args);
const write = (...model: string[]) => llm("generate", "5 6 7", "-g", "8", "--temperature", "0", ...model);

async function refused(...args: string[]): Promise<string> {
  const { code, stderr, stdout } = await llm(...args);
  expect(code).not.toBe(0);
  expect(stdout).toBe("");
  return stderr;
}

/** The model of a run of `steps` updates, as a file. */
async function trained(name: string, steps: number): Promise<void> {
  const { code } = await llm("train", "-e", "tiny.bin", ...data, "-x", `${steps}`, "-o", name);
  expect(code).toBe(0);
}

beforeAll(async () => {
  copyFileSync(fixturePath("gpt2_tiny.bin"), at("tiny.bin"));
  writeTokens(at("train.bin"), 300, 101);
  writeTokens(at("val.bin"), 100, 101);
  await trained("more", 2);
  copyFileSync(at("tiny.bin"), at("base.bin"));
  expect((await adapted("base.bin", "-o", "lora")).code).toBe(0);
});

test("an adapter has size and sha256 of its base in its metadata, which PEFT does not read", () => {
  const file = readFileSync(at("lora/adapter_00000004/adapter_model.safetensors"));
  const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString("utf8"));
  const { base } = JSON.parse(readFileSync(at("lora/config.json"), "utf8"));
  expect(header.__metadata__).toEqual({
    format: "pt",
    base_model: at("base.bin"),
    base_bytes: `${base.bytes}`,
    base_sha256: base.sha256,
  });
});

describe("a base that was replaced", () => {
  const other = async (work: () => Promise<void>) => {
    copyFileSync(at("more/model_00000002.bin"), at("base.bin"));
    try {
      await work();
    } finally {
      copyFileSync(at("tiny.bin"), at("base.bin"));
    }
  };
  const message =
    /base\.bin is not the model that lora\/adapter_00000004\/adapter_model\.safetensors was trained on: it has \d+ bytes with sha256 \w{12}…, expected \d+ bytes with \w+.*Put that model back, or .*convert MODEL merged --adapter lora\/adapter_00000004/;

  test("is refused by generate, eval, convert and chat", () =>
    other(async () => {
      expect(await refused("generate", "5", "--model", "lora")).toMatch(message);
      expect(await refused("eval", "val.bin", "--model", "lora")).toMatch(message);
      expect(await refused("convert", "lora", "merged.bin")).toMatch(message);
      expect(existsSync(at("merged.bin"))).toBe(false);
      expect(await refused("chat", "lora")).toMatch(message);
    }));

  test("is refused on resume", () =>
    other(async () => {
      expect(await refused("train", "-o", "lora", "-y", "-x", "6", "--force")).toContain(
        "base.bin is not the model that the run in lora adapts",
      );
    }));

  test("is remarked on where it is named beside the adapter", () =>
    other(async () => {
      const found = await write("--model", "base.bin", "--adapter", "lora/adapter_00000004");
      expect(found.stderr).toContain("note: base.bin is not the file that lora/adapter_00000004 was trained on");
      expect(found.code).toBe(0);
    }));

  test("a file of the model's index as well", async () => {
    mkdirSync(at("shards"));
    expect((await llm("convert", "tiny.bin", "shards/model-1.safetensors")).code).toBe(0);
    const file = readFileSync(at("shards/model-1.safetensors"));
    const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString("utf8"));
    const names = Object.keys(header).filter((name) => name !== "__metadata__");
    writeFileSync(
      at("shards/model.safetensors.index.json"),
      JSON.stringify({ weight_map: Object.fromEntries(names.map((name) => [name, "model-1.safetensors"])) }),
    );
    expect((await adapted("shards/model.safetensors.index.json", "-o", "sharded")).code).toBe(0);
    expect((await write("--model", "sharded")).code).toBe(0);
    await llm("convert", "more", "shards/model-1.safetensors", "--force");
    expect(await refused("generate", "5", "--model", "sharded")).toContain("index.json is not the model that");
  });
});

describe("which adapter", () => {
  test("a run stands for its newest, and an adapter alone for the model that it names", async () => {
    const expected = await write("--model", "base.bin", "--adapter", "lora/adapter_00000004");
    expect(expected.code).toBe(0);
    const ofRun = await write("--model", "base.bin", "--adapter", "lora");
    expect(ofRun.stderr).toContain("with the adapter lora/adapter_00000004, the newest in lora");
    const alone = await write("--adapter", "lora/adapter_00000004/");
    expect(alone.stderr).toContain(`on its model, ${at("base.bin")}`);
    for (const { stdout } of [ofRun, alone, await write("--model", "lora/adapter_00000004")])
      expect(stdout).toBe(expected.stdout);
  });

  test("two at once are refused, with the model to name", async () => {
    const found = await refused("generate", "5", "--adapter", "lora/adapter_00000002", "--model", "lora");
    expect(found).toContain(`The model is ${at("base.bin")} with the adapter lora/adapter_00000004 already`);
    const advice = (adapter: string) => `Give ${at("base.bin")} as the model, and ${adapter} as its adapter.`;
    expect(found).toContain(advice("lora/adapter_00000002"));
    const alone = ["--model", at("base.bin"), "--adapter", "lora/adapter_00000002"];
    expect((await llm("generate", "5", ...alone, "-g", "1")).code).toBe(0);
    for (const command of [
      ["convert", "lora", "merged.bin", "--adapter", "lora"],
      ["eval", "val.bin", "--model", "lora", "--adapter", "lora"],
      ["chat", "lora", "--adapter", "lora"],
    ]) {
      const message = await refused(...command);
      expect(message).toContain(advice("lora"));
      expect(message).not.toContain("generate");
    }
    expect(await refused("eval", "val.bin", "--adapter", "lora", "--adapter", "other")).toContain(
      "lora was given already, and a model takes one",
    );
  });

  test("a run without adapters is none", async () => {
    expect(await refused("generate", "5", "--model", "base.bin", "--adapter", "more")).toContain(
      "more/adapter_config.json is not there. An adapter is a folder with",
    );
  });
});

test("a checkpoint that an adapter adapts outlives the training of its run, and resume keeps to it", async () => {
  const further = (steps: number) => llm("train", "-o", "pruned", "-y", "-x", `${steps}`, "--force");
  await llm("train", "-e", "tiny.bin", ...data, "-x", "2", "-n", "2", "--keep", "1", "-o", "pruned");
  const started = await adapted("pruned", "-o", "on-pruned");
  expect([started.code, started.stderr]).toEqual([
    0,
    expect.stringMatching(/model_00000002\.bin is a checkpoint of a run, which will not remove it.*\(KEEP_00000002\)/),
  ]);
  expect((await further(6)).code).toBe(0);
  expect(readdirSync(at("pruned")).filter((name) => /^(model|state|DONE|KEEP)_/.test(name))).toEqual([
    "DONE_00000006",
    "KEEP_00000002",
    "model_00000002.bin",
    "model_00000006.bin",
    "state_00000006_00000.bin",
  ]);
  expect(readFileSync(at("pruned/KEEP_00000002"), "utf8")).toBe(
    `An adapter needs model_00000002.bin: that of the run in ${at("on-pruned")}.\n`,
  );
  expect((await write("--model", "on-pruned")).code).toBe(0);
  // As if it had been killed after its second update.
  rmSync(at("on-pruned/DONE_00000004"));
  const resumed = await llm("train", "-o", "on-pruned", "-y");
  expect([resumed.code, resumed.stderr]).toEqual([0, expect.stringContaining("resuming on-pruned after 2 updates")]);
  const { base } = JSON.parse(readFileSync(at("on-pruned/config.json"), "utf8"));
  expect(base.path).toBe(at("pruned/model_00000002.bin"));
  // Where that file is gone, the name of the run leads to another one, which is said and refused.
  rmSync(at("pruned/model_00000002.bin"));
  const found = await refused("train", "-o", "on-pruned", "-y", "-x", "6", "--force");
  expect(found).toContain(
    "model_00000002.bin, the model that the run in on-pruned adapts, is not there: trying pruned",
  );
  expect(found).toContain("model_00000006.bin is not the model that the run in on-pruned adapts");
});

test("a run that is refused at its first update takes its mark back, and that of another stays", async () => {
  await llm("train", "-e", "tiny.bin", ...data, "-x", "2", "-o", "marked");
  const marks = () => readdirSync(at("marked")).filter((name) => name.startsWith("KEEP_"));
  const tooShort = () => adapted("marked", "--minutes", "1e-7", "-o", "short");
  expect((await tooShort()).code).toBe(2);
  expect([marks(), existsSync(at("short"))]).toEqual([[], false]);
  expect((await adapted("marked", "-o", "on-marked")).code).toBe(0);
  expect((await tooShort()).code).toBe(2);
  expect([marks(), existsSync(at("short"))]).toEqual([["KEEP_00000002"], false]);
  expect(readFileSync(at("marked/KEEP_00000002"), "utf8")).toContain(`the run in ${at("on-marked")}.\n`);
});

test("where a base cannot be kept, its copy is asked for", async () => {
  expect((await llm("train", "-e", "tiny.bin", ...data, "-x", "2", "-o", "full")).code).toBe(0);
  mkdirSync(at("full/KEEP_00000002"));
  const { code, stderr } = await adapted("full", "-o", "on-full");
  expect([code, stderr]).toEqual([0, expect.stringContaining("that folder cannot be written: copy the file")]);
});

test("a complete run records where its model has moved", async () => {
  copyFileSync(at("tiny.bin"), at("here.bin"));
  expect((await adapted("here.bin", "-o", "finished")).code).toBe(0);
  renameSync(at("here.bin"), at("there.bin"));
  const before = await refused("generate", "5", "--model", "finished");
  expect(before).toContain("here.bin, which is not there");
  const { code, stderr } = await llm("train", "-o", "finished", "-y", "--model", "there.bin");
  expect(code).toBe(0);
  expect(stderr).toContain(`the model it adapts is now ${at("there.bin")}`);
  expect(stderr).toContain("is complete");
  const found = await write("--model", "finished");
  expect([found.code, found.stderr]).toEqual([0, expect.stringContaining(at("there.bin"))]);
  expect((await llm("train", "-o", "finished", "-y", "-x", "6", "--force")).code).toBe(0);
  // Another file is not recorded.
  expect(await refused("train", "-o", "finished", "-y", "--model", "more")).toContain("is not the model that the run");
});

describe("options of an adapter", () => {
  test("the same on resume are no difference, in whatever words; others are, as they count", async () => {
    const again = (...args: string[]) => llm("train", "-o", "lora", "-y", ...args);
    for (const same of [
      ["--lora-alpha", "8"],
      ["--lora-targets", "attn.c_attn"],
      ["--lora-rank", "4", "--lora-targets", "c_attn"],
    ]) {
      const { code, stderr } = await again(...same);
      expect([code, stderr]).toEqual([0, expect.stringContaining("is complete")]);
    }
    const other = await again("--lora-alpha", "9", "--lora-targets", "c_proj");
    expect(other.stderr).toContain("--lora-alpha: 8, now 9");
    expect(other.stderr).toContain("--lora-targets: qkv, now attproj,fcproj");
    expect(other.code).toBe(2);
  });

  test("a vocabulary that conversations make larger: the command that works is named", async () => {
    const turn = (role: string, content: string) => ({ role, content });
    const lines = Array.from({ length: 40 }, (_, i) =>
      JSON.stringify({ messages: [turn("user", `Number ${i}?`), turn("assistant", `It is ${i}.`)] }),
    );
    writeFileSync(at("chat.jsonl"), lines.join("\n"));
    writeFileSync(at("text.txt"), "It is a number. ".repeat(200));
    expect((await llm("prepare", "text.txt", "--tokenizer", "bpe:260", "-o", "text")).code).toBe(0);
    const sizes = ["--layers", "1", "--heads", "1", "--channels", "16"];
    const small = ["-b", "2", "-t", "16", "-x", "1", "-v", "0", "-s", "0"];
    expect((await llm("train", "-e", "custom", ...sizes, "-i", "text", ...small, "-o", "small")).code).toBe(0);
    expect((await llm("prepare", "chat.jsonl", "--chat", "--tokenizer", "small", "-o", "chat")).code).toBe(0);
    const lora = ["--lora-rank", "2", "--lora-targets=all", "--lora-alpha", "3", "--weights", "int8"];
    const found = await refused("train", "-e", "small", "-i", "chat", ...lora, ...small, "-o", "talks");
    expect(found).toContain("The data has 2 tokens that small has not met");
    const [, command = ""] = /^ {2}.* (train -e .*)$/m.exec(found) ?? [];
    expect(command).toBe(`train -e small -i chat ${small.join(" ")} -o talks`);
    expect((await llm(...command.split(" "))).code).toBe(0);
  });
});
