/** `llm-ts train --lora-rank` as a program: checkpoints in PEFT's layout, resuming, what reads such a run, and what is refused. */
import {
  copyFileSync,
  cpSync,
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
const data = ["-i", "train.bin", "-j", "val.bin", "-b", "2", "-t", "8", "-v", "2", "-m", "2", "-s", "3", "-g", "4"];
const tiny = ["-e", "base.bin", ...data, "-l", "1e-2"];
const lora = ["--lora-rank", "4", "--lora-targets", "all"];
const at = (...names: string[]) => join(folder, ...names);
const newest = "adapter_00000006";
const adapterOf = (name: string) => readFileSync(at(name, newest, "adapter_model.safetensors"));

beforeAll(async () => {
  copyFileSync(fixturePath("gpt2_tiny.bin"), at("base.bin"));
  writeTokens(at("train.bin"), 300, 101);
  writeTokens(at("val.bin"), 100, 101);
  const { code, stderr } = await llm("train", ...tiny, ...lora, "-x", "6", "-n", "2", "--keep", "0", "-o", "whole");
  expect(stderr).toContain(
    "training an adapter of rank 4, alpha 8, on qkv, attproj, fc, fcproj: 4.10k numbers; the 30.1k of base.bin stay as they are",
  );
  expect(code).toBe(0);
});

test("a checkpoint is an adapter in PEFT's layout beside a state of its own", () => {
  const names = readdirSync(at("whole"));
  expect(names.filter((name) => name.startsWith("model_"))).toEqual([]);
  expect(names).toContain("state_00000006.safetensors");
  const ours = JSON.parse(readFileSync(at("whole", newest, "adapter_config.json"), "utf8"));
  const peft = JSON.parse(readFileSync(fixturePath("adapter_train/adapter_config.json"), "utf8"));
  // PEFT refuses fields that it does not know.
  for (const field of Object.keys(ours)) expect(Object.keys(peft)).toContain(field);
  expect(ours).toMatchObject({ peft_type: "LORA", r: 4, lora_alpha: 8, base_model_name_or_path: at("base.bin") });
  expect(ours.target_modules).toEqual(["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]);
  const namesIn = (path: string) => {
    const file = readFileSync(path);
    const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString("utf8"));
    return Object.entries<{ shape: number[] }>(header)
      .filter(([name]) => name !== "__metadata__")
      .map(([name, { shape }]) => `${name} ${shape}`)
      .sort();
  };
  expect(namesIn(at("whole", newest, "adapter_model.safetensors"))).toEqual(
    namesIn(fixturePath("adapter_train/adapter_model.safetensors")),
  );
});

describe.each(["file", "shuffle", "random"])("order %s", (order) => {
  test("a run that was ended resumes to the bit", async () => {
    const line = [...tiny, ...lora, "--order", order, "-x", "6", "-n", "2"];
    const [one, half] = [`one-${order}`, `half-${order}`];
    await llm("train", ...line, "-o", one);
    await llm("train", ...line, "-o", half);
    // As if it had been killed after its fourth update.
    rmSync(at(half, "DONE_00000006"));
    const { code, stderr } = await llm("train", "-o", half, "-y");
    expect(stderr).toContain(`resuming ${half} after 4 updates`);
    expect(code).toBe(0);
    expect(adapterOf(half).equals(adapterOf(one))).toBe(true);
    const state = (name: string) => readFileSync(at(name, "state_00000006.safetensors"));
    expect(state(half).equals(state(one))).toBe(true);
    const lines = (name: string) =>
      readFileSync(at(name, "metrics.jsonl"), "utf8")
        .split("\n")
        .filter((text) => text.includes('"event":"val"') || text.includes('"event":"sample"'));
    expect(lines(half)).toEqual(lines(one));
    // Two are kept.
    expect(readdirSync(at(half)).filter((name) => name.startsWith("adapter_"))).toEqual(["adapter_00000004", newest]);
  });
});

test("a damaged adapter is not resumed from, and the one before it is", async () => {
  cpSync(at("whole"), at("damaged"), { recursive: true });
  const path = at("damaged", newest, "adapter_model.safetensors");
  const bytes = adapterOf("damaged");
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(path, bytes);
  const { code, stderr } = await llm("train", "-o", "damaged", "-y");
  expect(stderr).toContain("the checkpoint of step 6 cannot be used");
  expect(stderr).toContain("resuming damaged after 4 updates");
  expect(code).toBe(0);
  expect(adapterOf("damaged").equals(adapterOf("whole"))).toBe(true);
});

describe("what reads a run", () => {
  test("generate, eval and convert use the base with the adapter, and say so", async () => {
    const written = async (...model: string[]) => llm("generate", "5 6 7", "-g", "8", "--temperature", "0", ...model);
    const ofRun = await written("--model", "whole");
    expect(ofRun.stderr).toContain(`with the adapter whole/${newest} on its model, ${at("base.bin")}`);
    const added = await written("--model", "base.bin", "--adapter", `whole/${newest}`);
    expect([ofRun.code, added.code]).toEqual([0, 0]);
    expect(ofRun.stdout).toBe(added.stdout);
    expect(ofRun.stdout).not.toBe((await written("--model", "base.bin")).stdout);
    await llm("convert", "whole", "merged.bin");
    expect((await written("--model", "merged.bin")).stdout).toBe(ofRun.stdout);
    const losses = async (model: string) => {
      const { stdout, code } = await llm("eval", "val.bin", "--model", model, "--json");
      expect(code).toBe(0);
      return stdout.match(/"loss":[\d.]+/g);
    };
    expect(await losses("whole")).toEqual(await losses("merged.bin"));
    expect(await losses("whole")).not.toEqual(await losses("base.bin"));
  });

  test("validations of the run are of the base with the adapter", async () => {
    const metrics = readFileSync(at("whole", "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const vals = metrics.filter(({ event }) => event === "val").map(({ loss }) => loss);
    expect(new Set(vals).size).toBe(vals.length);
  });
});

test.each(["bf16", "int8"])("frozen weights in %s", async (weights) => {
  const line = [...tiny, ...lora, "--weights", weights, "-x", "6", "-n", "2", "-o", weights];
  const { code, stderr } = await llm("train", ...line);
  expect(stderr).toContain(`stay as they are, in ${weights}`);
  expect(code).toBe(0);
  const before = adapterOf(weights);
  rmSync(at(weights, "DONE_00000006"));
  expect((await llm("train", "-o", weights, "-y")).code).toBe(0);
  expect(adapterOf(weights).equals(before)).toBe(true);
});

describe("refused is", () => {
  const refused = async (...args: string[]) => {
    const { code, stderr, stdout } = await llm("train", ...args);
    expect(code).not.toBe(0);
    expect(stdout).toBe("");
    return stderr;
  };

  test("a new model, a rank too large, an unknown matrix, weights without a rank", async () => {
    expect(await refused("-e", "d6", ...data, "--lora-rank", "4")).toContain("begins with random weights");
    expect(await refused(...tiny, "--lora-rank", "64")).toContain("Choose 32 or less");
    expect(await refused(...tiny, "--lora-rank", "4", "--lora-targets", "lm_head")).toContain(
      '"lm_head", which is no matrix',
    );
    expect(await refused(...tiny, "--weights", "int8")).toContain(
      "--weights has no effect here: it is for training an adapter, which leaves the model's weights as they are. Add --lora-rank 8",
    );
    expect(await refused("-e", "whole", ...data, "--lora-rank", "4")).toContain("convert whole merged");
  });

  test("another rank for a run", async () => {
    expect(await refused("-o", "whole", "-y", "--lora-rank", "8", "--force")).toContain("--lora-rank: 4, now 8");
  });

  test("a base that has moved: it is asked for, and taken where its content is the same", async () => {
    mkdirSync(at("elsewhere"));
    renameSync(at("base.bin"), at("elsewhere/moved.bin"));
    cpSync(at("whole"), at("moved"), { recursive: true });
    try {
      const line = ["-o", "moved", "-y", "-x", "8", "--force"];
      expect(await refused(...line)).toMatch(
        /base\.bin, the model that the run in moved adapts, is not there\. Put it back, or say/,
      );
      const { stderr } = await llm("generate", "5", "--model", "moved");
      expect(stderr).toMatch(
        /is an adapter of .*base\.bin, which is not there\. Put that model back, or .* convert MODEL merged --adapter moved/,
      );
      copyFileSync(fixturePath("gpt2_odd.bin"), at("elsewhere/odd.bin"));
      expect(await refused(...line, "--model", "elsewhere/odd.bin")).toContain(
        "is not the model that the run in moved adapts, which was",
      );
      const found = await llm("train", ...line, "--model", "elsewhere/moved.bin");
      expect(found.stderr).toContain("resuming moved after 6 updates");
      expect(found.code).toBe(0);
      expect(existsSync(at("moved/adapter_00000008/adapter_model.safetensors"))).toBe(true);
      expect((await llm("generate", "5", "-g", "2", "--model", "moved")).code).toBe(0);
    } finally {
      renameSync(at("elsewhere/moved.bin"), at("base.bin"));
    }
  });
});
