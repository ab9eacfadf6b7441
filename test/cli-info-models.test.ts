/** What `info` and `runs` say of adapters, and of models in ONNX. */
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { hubModel } from "./hub-model.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();
const llm = (...args: string[]) => run(args, { cwd: folder });
const at = (...names: string[]) => join(folder, ...names);

async function infoOf(path: string): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await llm("info", path, "--json");
  expect([code, stderr.includes("\nerror")]).toEqual([0, false]);
  return JSON.parse(stdout);
}

beforeAll(async () => {
  copyFileSync(fixturePath("gpt2_tiny.bin"), at("base.bin"));
  writeTokens(at("train.bin"), 300, 101);
  const line = ["-e", "base.bin", "-i", "train.bin", "-b", "2", "-t", "8", "-s", "0", "-x", "2", "-o", "lora"];
  const { code } = await llm("train", ...line, "--lora-rank", "4", "--lora-targets", "c_proj", "--lora-alpha", "6");
  expect(code).toBe(0);
  expect((await llm("convert", "base.bin", "onnx", "--to", "onnx")).code).toBe(0);
});

describe("a copy by a name of one's own is not the newest of a run", () => {
  test("of its models", async () => {
    const weights = (name: string) => {
      mkdirSync(at("copies"), { recursive: true });
      copyFileSync(at("base.bin"), at("copies", name));
    };
    weights("model_best.bin");
    expect((await llm("eval", "train.bin", "-e", "copies")).stderr).toContain(
      "Name the file, as copies/model_best.bin",
    );
    weights("model_00000004.bin");
    weights("model_00000004_old.bin");
    expect(await infoOf("copies")).toMatchObject({ weights: "copies/model_00000004.bin" });
  });

  test("of its adapters", async () => {
    cpSync(at("lora"), at("more"), { recursive: true });
    for (const name of ["best", "selected", "1"])
      cpSync(at("lora/adapter_00000002"), at(`more/adapter_${name}`), { recursive: true });
    expect(await infoOf("more")).toMatchObject({ newest: "more/adapter_00000002/adapter_model.safetensors" });
  });
});

describe("an adapter", () => {
  test("of a run: its rank, scale, matrices and base", async () => {
    const { base } = JSON.parse(readFileSync(at("lora/config.json"), "utf8"));
    const expected = {
      format: "LoRA adapter",
      rank: "4",
      alpha: "6",
      targets: "attn.c_proj, mlp.c_proj",
      layers: 2,
      // A and B of two layers, for 32 x 32 and 32 x 128.
      parameters: 2 * 4 * (32 + 32 + (32 + 128)),
      dtype: "F32",
      model: at("base.bin"),
      base: at("base.bin"),
      sha256: base.sha256,
      state: "the base is there",
    };
    expect(await infoOf("lora/adapter_00000002")).toMatchObject(expected);
    expect(await infoOf("lora/adapter_00000002/adapter_model.safetensors")).toMatchObject(expected);
    expect(await infoOf("lora")).toMatchObject({
      format: "training run",
      adapter: { rank: 4, alpha: 6, targets: "attproj,fcproj", base: at("base.bin"), sha256: base.sha256 },
    });
    const { stdout, stderr } = await llm("info", "lora/adapter_00000002");
    expect(stdout).toMatch(/^targets +attn\.c_proj, mlp\.c_proj$/m);
    const [, command = ""] = /(generate --model .*)/.exec(stderr) ?? [];
    expect((await llm(...command.split(" "), "5", "-g", "1")).code).toBe(0);
  });

  test("whose base is gone or another: so it says", async () => {
    cpSync(at("lora"), at("alone"), { recursive: true });
    copyFileSync(at("base.bin"), at("kept.bin"));
    const found = ["alone", "alone/adapter_00000002"];
    for (const path of found) {
      expect(await infoOf(path)).toMatchObject({ state: "the base is there" });
      expect((await llm("info", path)).stderr).toContain(`generate --model ${path}`);
    }
    const says = async (state: RegExp) => {
      for (const path of found) {
        expect(await infoOf(path)).toMatchObject({ state: expect.stringMatching(state) });
        expect((await llm("info", path)).stderr).not.toContain("generate");
      }
    };
    writeFileSync(at("base.bin"), "other");
    await says(/^the base was replaced: it has 5 bytes/);
    rmSync(at("base.bin"));
    await says(/^the base is not there$/);
    copyFileSync(at("kept.bin"), at("base.bin"));
  });

  test("in training: AdamW's moments of it", async () => {
    expect(await infoOf("lora/state_00000002.safetensors")).toMatchObject({
      format: "AdamW's moments of a LoRA adapter",
      step: 2,
      parameters: 2 * 4 * (32 + 32 + (32 + 128)),
    });
  });

  test("of PEFT's: patterns and the other scale", async () => {
    const found = await infoOf(fixturePath("adapter_all"));
    expect(found).toMatchObject({
      rank: "4, 2",
      alpha: "6, 3",
      scale: "alpha / sqrt(rank)",
      targets: "attn.c_attn, attn.c_proj, mlp.c_fc, mlp.c_proj",
      model: "gpt2_tiny",
    });
    expect(found).not.toHaveProperty("base");
  });

  test("is marked in the list of runs", async () => {
    expect((await llm("runs", ".")).stdout).toContain("base.bin + LoRA 4");
    const [first] = JSON.parse((await llm("runs", "lora", "--json")).stdout);
    expect(first.adapter).toMatchObject({ rank: 4, targets: "attproj,fcproj" });
  });
});

describe("a run without a model", () => {
  const words = (command: string) => command.trim().split(" ");
  const refusal = async (path: string) => {
    const { code, stderr } = await llm("generate", "5", "--model", path);
    expect(code).toBe(1);
    expect(stderr).not.toContain("folder of runs");
    expect((await llm("info", path)).stderr).toContain(stderr.replace(/^error: /, "").trim());
    return stderr;
  };

  test("whose checkpoints are gone: the files that are missing; its resume says how to begin again", async () => {
    const line = ["-e", "base.bin", "-i", "train.bin", "-b", "2", "-t", "8", "-s", "0", "-x", "2", "-o", "full"];
    expect((await llm("train", ...line)).code).toBe(0);
    rmSync(at("full/model_00000002.bin"));
    cpSync(at("lora"), at("lost"), { recursive: true });
    rmSync(at("lost/adapter_00000002"), { recursive: true });
    const missing = {
      full: ["model_00000002.bin"],
      lost: ["adapter_00000002/adapter_model.safetensors", "adapter_00000002/adapter_config.json"],
    };
    for (const [path, files] of Object.entries(missing)) {
      expect(await infoOf(path)).toMatchObject({ format: "training run", missing: files.join(", ") });
      expect(await refusal(path)).toContain(`${path} is a run that has no checkpoint left: ${files.join(" and ")} `);
      const resumed = await llm("train", "-o", path, "--resume", "--force");
      expect(resumed.code).toBe(1);
      expect(resumed.stderr).toContain(`\n  ${process.platform === "win32" ? "move" : "mv"} ${path} ${path}.kept`);
    }
  });

  test("that has saved none: how to resume it", async () => {
    cpSync(at("full"), at("early"), { recursive: true });
    for (const name of readdirSync(at("early")))
      if (/^(model|state|checkpoint|DONE)_/.test(name)) rmSync(at("early", name));
    expect(await infoOf("early")).toMatchObject({ checkpoint: "none" });
    const { code, stderr } = await llm("generate", "5", "--model", "early");
    expect(code).toBe(1);
    const [, command = ""] =
      /early is a run that has saved no model yet.* (train -o early --resume)/.exec(stderr) ?? [];
    expect((await llm(...words(command))).code).toBe(0);
  });
});

describe("JSON", () => {
  test("lines: the command that takes them is suggested, where one does", async () => {
    const turns = [
      { role: "user", content: "Why?" },
      { role: "assistant", content: "So." },
    ];
    const lines = { talk: { messages: turns }, texts: { text: "To be" }, other: { body: "To be" } };
    for (const [name, value] of Object.entries(lines))
      writeFileSync(at(`${name}.jsonl`), `${JSON.stringify(value)}\n`.repeat(400));
    for (const [name, expected] of [
      ["talk", "prepare --chat talk.jsonl"],
      ["texts", "prepare texts.jsonl"],
    ]) {
      const { stderr } = await llm("info", `${name}.jsonl`);
      const [, command = ""] = / (prepare .*)/.exec(stderr) ?? [];
      expect(command.trim()).toBe(expected);
      expect((await llm(...expected.split(" "))).code).toBe(0);
    }
    expect((await llm("info", "other.jsonl")).stderr).not.toContain("prepare");
  });

  test("that is damaged is refused", async () => {
    writeFileSync(at("bad.json"), '{"a": 1');
    const { code, stderr } = await llm("info", "bad.json");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/bad\.json is not valid JSON.*It is damaged/)]);
  });
});

describe("ONNX", () => {
  const file = "onnx/onnx/model.onnx";
  const expected = {
    producer: "llm-ts",
    opset: 17,
    dtype: "f32",
    L: 2,
    C: 32,
    maxT: 16,
    V: 101,
    inputs: "input_ids, attention_mask, position_ids, and the keys and values of 2 layers",
    outputs: "logits",
  };

  test("a file, and the folder of transformers.js", async () => {
    // llm.c pads the vocabulary.
    const base = await infoOf("base.bin");
    const parameters = Number(base.parameters) - (Number(base.Vp) - Number(base.V)) * Number(base.C);
    expect(await infoOf(file)).toMatchObject({ format: "ONNX model", ...expected, parameters });
    expect(await infoOf("onnx")).toMatchObject({
      format: "model folder for transformers.js",
      weights: file,
      ...expected,
    });
  });

  test("is named where a model is expected", async () => {
    const { stderr, code } = await llm("generate", "5", "--model", file);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /model\.onnx is a model in ONNX, which llm-ts writes .*Give the model that it was converted from/,
    );
  });

  test("a damaged one is refused", async () => {
    copyFileSync(at(file), at("cut.onnx"));
    truncateSync(at("cut.onnx"), 5000);
    const { stderr, code } = await llm("info", "cut.onnx");
    expect([code, stderr]).toEqual([1, expect.stringContaining("cut.onnx is damaged, or no model in ONNX")]);
  });
});

describe("safetensors that are no whole model", () => {
  const shard = "model-00001-of-00002.safetensors";

  test("of a trace: the step and the model", async () => {
    const traced = await llm(..."trace -e base.bin -i train.bin -b 1 -t 4 --out tr.safetensors".split(" "));
    expect(traced.code, traced.stderr).toBe(0);
    const found = await infoOf("tr.safetensors");
    expect(found).toMatchObject({
      format: "trace of a training step",
      B: 1,
      T: 4,
      L: 2,
      C: 32,
      update: { beta1: 0.9 },
    });
    expect(traced.stderr).toContain(`wrote tr.safetensors, ${found.tensors} tensors`);
    expect((await llm("info", "tr.safetensors")).stdout).toMatch(/^update +learningRate /m);
  });

  test("of a part, and of the index of all", async () => {
    mkdirSync(at("parts"));
    for (const [file, content] of Object.entries(hubModel({ parts: 2 }))) writeFileSync(at("parts", file), content);
    expect(await infoOf(`parts/${shard}`)).toMatchObject({
      format: "part 1 of a safetensors model in 2 files",
      dtype: "F32",
      tensors: 14,
    });
    expect(await infoOf("parts/model.safetensors.index.json")).toMatchObject({
      format: "index of a safetensors model in 2 files",
      files: "model-00001-of-00002.safetensors, model-00002-of-00002.safetensors",
      V: 101,
      L: 2,
    });
    const refused = await llm("convert", `parts/${shard}`, "out.bin");
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(
        /is part 1 of a model in 2 files\. Give their index, parts\/model\.safetensors\.index\.json, or/,
      ),
    ]);
    expect((await llm("convert", "parts/model.safetensors.index.json", "out.bin")).code).toBe(0);
    rmSync(at("parts", shard));
    expect((await infoOf("parts/model.safetensors.index.json")).model).toMatch(
      /^none: .*00001-of-00002.* does not exist/,
    );
  });

  test("of anything else: its tensors, and why it is no model", async () => {
    mkdirSync(at("llama"));
    const files = hubModel({ config: { architectures: ["LlamaForCausalLM"], model_type: "llama" } });
    for (const [file, content] of Object.entries(files)) writeFileSync(at("llama", file), content);
    expect(await infoOf("llama/model.safetensors")).toMatchObject({
      format: "safetensors",
      tensors: 28,
      names: expect.stringMatching(/^wte\.weight, wpe\.weight, .*, …$/),
      model: expect.stringMatching(/^none: .*this is a LlamaForCausalLM/),
    });
  });
});
