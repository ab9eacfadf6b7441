import { spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CountingBatches } from "../../test/counting-batches.ts";
import { bits, collect, fixturePath, randomModel, readSet } from "../../test/fixtures.ts";
import { createBackend } from "../backend/registry.ts";
import { InputError, LlmError, UsageError } from "../errors.ts";
import { save } from "../format/save.ts";
import { writeVocabulary } from "../format/tokenizer.ts";
import { makeConfig } from "../model/config.ts";
import { byteTokenizer } from "../tokenizer/byte.ts";
import { charTokenizerOf } from "../tokenizer/char.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import { huggingFaceTokenizer } from "../tokenizer/huggingface.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { Trainer } from "../train/trainer.ts";
import { GPT2 } from "./gpt2.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "llm-ts-api-"));
});
afterAll(() => rm(folder, { recursive: true }));

const inFolder = (...names: string[]) => join(folder, ...names);
const reference = { backend: "reference" } as const;
const small = makeConfig({ maxT: 12, V: 256, L: 1, NH: 2, C: 8 });

async function writeTokenizer(path: string, tokenizer: Tokenizer): Promise<void> {
  await save(path, (sink) => writeVocabulary(sink, tokenizer.tokens(), tokenizer.endOfText));
}

describe("saving and loading", () => {
  test.each(["reference", "wasm"] as const)("a loaded model is saved byte for byte: %s", async (backend) => {
    for (const name of ["gpt2_tiny.bin", "gpt2_odd.bin"]) {
      const model = await GPT2.load(fixturePath(name), { backend, threads: 2 });
      await model.save(inFolder(name));
      await model.dispose();
      expect((await readFile(inFolder(name))).equals(await readFile(fixturePath(name)))).toBe(true);
    }
  });

  test("random weights come back bit for bit, on another backend", async () => {
    const model = await randomModel(await createBackend("reference"), makeConfig({ ...small, V: 300, Vp: 300 }));
    await model.save(inFolder("random.bin"));
    const again = await GPT2.load(inFolder("random.bin"), { threads: 2 });
    expect(again.config).toEqual(model.config);
    expect(await readSet(again.backend, again.parameters.weights)).toEqual(
      await readSet(model.backend, model.parameters.weights),
    );
    await again.dispose();
  });

  test("a copy on another backend has the same weights, tokens and ends, and outlives the model", async () => {
    const model = await GPT2.create(makeConfig({ ...small, V: 300, Vp: 300 }), {
      ...reference,
      tokenizer: byteTokenizer(),
      endTokens: [3],
    });
    const expected = await readSet(model.backend, model.parameters.weights);
    const backend = await createBackend("wasm", { threads: 1 });
    const before = backend.memoryUsed;
    const copy = await model.copyTo(backend);
    expect(copy.unusedIds).toEqual(model.unusedIds);
    expect({ ends: copy.endTokens, kind: copy.tokenizer?.kind }).toEqual({ ends: [3], kind: "byte" });
    await model.dispose();
    expect(await readSet(backend, copy.parameters.weights)).toEqual(expected);
    await copy.dispose();
    expect(backend.memoryUsed).toBe(before);
    await backend.dispose();
  });

  test("safetensors bring the same weights back, beside a config.json for transformers", async () => {
    await mkdir(inFolder("hf"));
    const model = await GPT2.load(fixturePath("gpt2_odd.bin"), reference);
    await model.save(inFolder("hf", "model.safetensors"));
    const load = async () => {
      const again = await GPT2.load(inFolder("hf", "model.safetensors"), reference);
      return { config: again.config, weights: await readSet(again.backend, again.parameters.weights) };
    };
    const weights = await readSet(model.backend, model.parameters.weights);
    expect(await load()).toEqual({ config: model.config, weights });
    const config = JSON.parse(await readFile(inFolder("hf", "config.json"), "utf8"));
    expect(config).toMatchObject({ n_head: model.config.NH, n_embd: model.config.C, vocab_size: model.config.V });
    // A run's own config.json stays, and does not matter.
    await writeFile(inFolder("hf", "config.json"), "{}");
    await model.save(inFolder("hf", "model.safetensors"));
    expect(await readFile(inFolder("hf", "config.json"), "utf8")).toBe("{}");
    expect(await load()).toEqual({ config: model.config, weights });
  });

  test("from bytes, a Blob and a URL", async () => {
    const path = fixturePath("gpt2_tiny.bin");
    const bytes = new Uint8Array(await readFile(path));
    for (const input of [bytes, new Blob([bytes]), pathToFileURL(path)])
      expect((await GPT2.load(input, reference)).config).toMatchObject({ L: 2, NH: 4, C: 32, maxT: 16, V: 101 });
  });

  test("a URL is the path that it means: what lies beside the file is found", async () => {
    const path = inFolder("by url", "model.bin");
    await mkdir(inFolder("by url"));
    await using made = await GPT2.create(small, { ...reference, tokenizer: byteTokenizer(), endTokens: [3] });
    await made.save(path);
    await using found = await GPT2.load(pathToFileURL(path), reference);
    expect(found.tokenizer?.kind).toBe("byte");
    await expect(GPT2.load(pathToFileURL(path).href, reference)).rejects.toThrow(
      /is an address, where a path is expected/,
    );
    await writeFile(inFolder("by url", "generation_config.json"), '{ "eos_token_id": [3, 5] }');
    expect((await GPT2.load(pathToFileURL(path), reference)).endTokens).toEqual([3, 5]);
  });

  test("files that are no models say so", async () => {
    const whole = await readFile(fixturePath("gpt2_tiny.bin"));
    await writeFile(inFolder("short.bin"), whole.subarray(0, 5000));
    await writeFile(inFolder("text.bin"), "This is no model. ".repeat(100));
    for (const name of ["missing.bin", ".", "short.bin", "text.bin"])
      await expect(GPT2.load(inFolder(name), reference), name).rejects.toThrow(InputError);
  });

  test("a failed save leaves the existing file unchanged", async () => {
    const model = await GPT2.create({ ...small, epsilon: 1e-6 }, reference);
    await writeFile(inFolder("kept.bin"), "kept");
    await expect(model.save(inFolder("kept.bin"))).rejects.toThrow(/epsilon/);
    expect(await readFile(inFolder("kept.bin"), "utf8")).toBe("kept");
    await expect(model.save(inFolder("nowhere", "model.bin"))).rejects.toThrow(InputError);
    await expect(model.save(inFolder("model.txt"))).rejects.toThrow(UsageError);
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

/** Byte-level BPE of the hub's in several settings. */
const hub = JSON.parse(await readFile(new URL("../../test/fixtures/tokenizers.json", import.meta.url), "utf8"));
const hubTokenizer = async (name: string) => {
  const { patch } = hub.variants.find((variant: { name: string }) => variant.name === name);
  const tokenizer = await huggingFaceTokenizer(
    new Map([["tokenizer.json", JSON.stringify({ ...hub.base, ...patch })]]),
  );
  if (!tokenizer) throw new Error(`no tokenizer ${name}`);
  return tokenizer;
};

test.each([
  ["of bytes", async () => byteTokenizer()],
  ["of characters", async () => charTokenizerOf("the cab\n")],
  ...["prefix space", "strict added", "split", "NFC"].map((name) => [name, () => hubTokenizer(name)] as const),
] as const)("a saved model keeps its tokenizer, %s, in both formats and back", async (name, make) => {
  const tokenizer = await make();
  const texts = ["the cab", " a bat", "the  \n the", "ab<|endoftext|>the"].filter((text) =>
    tokenizer.kind === "char" ? /^[the cab\n]*$/.test(text) : true,
  );
  const config = makeConfig({ maxT: 12, V: tokenizer.vocabSize, L: 1, NH: 2, C: 8 });
  const model = await GPT2.create(config, { ...reference, tokenizer });
  const [bin, safetensors, back] = ["bin", "safetensors", "back"].map((kind) => inFolder(`${name} ${kind}`));
  for (const made of [bin, safetensors, back]) await mkdir(made);
  await model.save(join(bin, "model.bin"));
  const first = await GPT2.load(join(bin, "model.bin"), reference);
  await first.save(join(safetensors, "model.safetensors"));
  const second = await GPT2.load(join(safetensors, "model.safetensors"), reference);
  await second.save(join(back, "model.bin"));
  const third = await GPT2.load(join(back, "model.bin"), reference);
  for (const read of [first, second, third])
    for (const text of texts) {
      expect(read.tokenizer?.encode(text), text).toEqual(tokenizer.encode(text));
      expect(read.tokenizer?.decode(tokenizer.encode(text))).toBe(tokenizer.decode(tokenizer.encode(text)));
      expect(read.endTokens).toEqual(model.endTokens);
    }
});

describe("creating", () => {
  test("the same seed gives the same weights, another seed others", async () => {
    const wte = async (seed?: number) => {
      const { backend, parameters } = await GPT2.create(small, { ...reference, seed });
      return backend.read(parameters.weights.wte);
    };
    expect(await wte()).toEqual(await wte(42));
    expect(await wte(43)).not.toEqual(await wte(42));
  });

  test("presets", async () => {
    const model = await GPT2.create("baby", { ...reference, tokenizer: byteTokenizer() });
    expect(model.config).toMatchObject({ L: 4, NH: 4, C: 128, maxT: 64, V: 256 });
    for (const name of ["baby", "d7", "gpt2"]) await expect(GPT2.create(name, reference)).rejects.toThrow(UsageError);
    await expect(GPT2.create("gpt2", reference)).rejects.toThrow(/gpt2_124M.bin/);
  });

  test("what cannot be", async () => {
    await expect(GPT2.create({ ...small, NH: 3 }, reference)).rejects.toThrow(/cannot be divided/);
    await expect(GPT2.create(small, { ...reference, seed: -1 })).rejects.toThrow(UsageError);
    await expect(GPT2.create(small, { ...reference, seed: 2 ** 32 })).rejects.toThrow(UsageError);
    await expect(GPT2.create(small, { threads: 0 })).rejects.toThrow(LlmError);
  });

  test("a backend that was passed in outlives the model", async () => {
    const backend = await createBackend("wasm", { threads: 2 });
    for (let i = 0; i < 2; i++) {
      const model = await GPT2.create(small, { backend });
      await collect(model.generateTokens([1], { maxTokens: 2 }));
      await model.dispose();
    }
    await backend.dispose();
  });
});

describe("the tokenizer", () => {
  test("is found beside the model, and has to fit", async () => {
    await copyFile(fixturePath("gpt2_tiny.bin"), inFolder("tiny.bin"));
    const load = async () => (await GPT2.load(inFolder("tiny.bin"), reference)).tokenizer;
    expect(await load()).toBeUndefined();
    const charactersOf = (length: number) => String.fromCodePoint(...Array.from({ length }, (_, i) => 1000 + i));
    await writeTokenizer(inFolder("tokenizer.bin"), charTokenizerOf(charactersOf(102)));
    await expect(load()).rejects.toThrow(/102 tokens, and the model knows V = 101/);
    await writeTokenizer(inFolder("tokenizer.bin"), charTokenizerOf(charactersOf(101)));
    expect((await load())?.decode([0, 100])).toBe(String.fromCodePoint(1000, 1100));
    await writeFile(inFolder("tokenizer.bin"), "damaged");
    await expect(load()).rejects.toThrow(InputError);
    await rm(inFolder("tokenizer.bin"));
  });

  test("is GPT-2's for GPT-2's vocabulary", async () => {
    const model = await GPT2.create(makeConfig({ maxT: 8, V: 50257, L: 1, NH: 1, C: 2 }), reference);
    expect(model.tokenizer?.kind).toBe("gpt2");
    expect(model.startToken).toBe(50256);
  });

  test("has to fit when it is given", async () => {
    const create = GPT2.create({ ...small, V: 2 }, { ...reference, tokenizer: charTokenizerOf("abc") });
    await expect(create).rejects.toThrow(InputError);
    await expect(create).rejects.toThrow(/3 tokens, and the model knows V = 2/);
  });

  test("of several in a folder is the one of the model's size; two that differ are refused", async () => {
    await mkdir(inFolder("several"));
    await copyFile(fixturePath("gpt2_tiny.bin"), inFolder("several", "tiny.bin"));
    const load = async () => (await GPT2.load(inFolder("several", "tiny.bin"), reference)).tokenizer;
    await writeTokenizer(inFolder("several", "gpt2_tokenizer.bin"), await gpt2Tokenizer());
    expect(await load()).toBeUndefined();
    const characters = Array.from({ length: 102 }, (_, i) => String.fromCodePoint(1000 + i));
    await writeTokenizer(inFolder("several", "tokenizer.bin"), charTokenizerOf(characters.slice(1).join("")));
    expect((await load())?.decode([0])).toBe(characters[1]);
    await writeTokenizer(inFolder("several", "gpt2_tokenizer.bin"), charTokenizerOf(characters.slice(0, 101).join("")));
    await expect(load()).rejects.toThrow(
      /two tokenizers of 101 tokens that differ, tokenizer.bin and gpt2_tokenizer.bin/,
    );
  });

  test("is needed for texts only", async () => {
    const model = await GPT2.load(fixturePath("gpt2_tiny.bin"), reference);
    expect(model.startToken).toBe(0);
    await expect(collect(model.generate("x"))).rejects.toThrow(/has no tokenizer/);
    expect(await collect(model.generateTokens([], { maxTokens: 3 }))).toHaveLength(3);
  });
});

describe("generating", () => {
  test("text comes in pieces of whole characters", async () => {
    const tokenizer = byteTokenizer();
    const model = await GPT2.create(small, { ...reference, tokenizer });
    for (const [prompt, start] of [
      ["First", tokenizer.encode("First")],
      ["", [10]],
    ] as const) {
      const tokens = await collect(model.generateTokens(start, { maxTokens: 30 }));
      const pieces = await collect(model.generate(prompt, { maxTokens: 30 }));
      expect(pieces.join("")).toBe(tokenizer.decode(tokens));
    }
    expect(await collect(model.generateTokens([1], { maxTokens: 0 }))).toEqual([]);
  });

  test("what cannot be", async () => {
    const model = await GPT2.create(small, reference);
    for (const prompt of [[256], [-1], [0.5]])
      await expect(collect(model.generateTokens(prompt))).rejects.toThrow(InputError);
    for (const maxTokens of [-1, 0.5, Number.NaN])
      await expect(collect(model.generateTokens([1], { maxTokens }))).rejects.toThrow(UsageError);
    await expect(collect(model.generateTokens([1], { temperature: -1 }))).rejects.toThrow(UsageError);
  });
});

test("a program that does not call dispose still exits", async () => {
  const program = `
    import { GPT2, Trainer } from ${JSON.stringify(new URL("../index.ts", import.meta.url).href)};
    const model = await GPT2.load(${JSON.stringify(fixturePath("gpt2_tiny.bin"))}, { threads: 2 });
    const batch = { inputs: new Int32Array(8), targets: new Int32Array(8) };
    const loader = { B: 2, T: 4, next: async () => batch, reset() {} };
    for await (const event of new Trainer(model).run(loader, { steps: 2 })) console.log(event.type);
    for await (const token of model.generateTokens([1], { maxTokens: 2 })) console.log(token);
  `;
  await writeFile(inFolder("program.ts"), program);
  const child = spawn(process.execPath, ["--conditions=source", inFolder("program.ts")], { stdio: "pipe" });
  let output = "";
  child.stdout.on("data", (text) => (output += text));
  const code = await new Promise((resolve) => child.on("exit", resolve));
  expect(output).toMatch(/^step\nstep\ndone\n\d+\n\d+\n$/);
  expect(code).toBe(0);
}, 20_000);

describe("saving during a run, without waiting for it", () => {
  const sizes = { maxT: 8, V: 256, L: 1, NH: 1, C: 64 };

  test.each(["reference", "wasm"] as const)("a model: each file holds the weights of one step: %s", async (backend) => {
    await using model = await GPT2.create(makeConfig(sizes), { backend, threads: 2 });
    await using trainer = new Trainer(model, { learningRate: 0.1 });
    const states = new Set([bits(await readSet(model.backend, model.parameters.weights))]);
    const saves: Promise<void>[] = [];
    const paths: string[] = [];
    let isEnded = false;
    const saver = async () => {
      for (let n = 0; !isEnded; n++) {
        paths.push(inFolder(`while-training-${backend}-${n}.bin`));
        saves.push(model.save(paths[n]));
        await new Promise((resolve) => setTimeout(resolve, n % 3));
        if (n % 4 === 3) await saves[n];
      }
    };
    const saving = saver();
    for await (const { type } of trainer.run(new CountingBatches(1, 8), { steps: 12, sampleEvery: 0 }))
      if (type === "step") states.add(bits(await readSet(model.backend, model.parameters.weights)));
    isEnded = true;
    await saving;
    await Promise.all(saves);
    expect(states.size).toBe(13);
    const found = new Set<string>();
    for (const path of paths) {
      await using saved = await GPT2.load(path, { backend: "reference", tokenizer: byteTokenizer() });
      found.add(bits(await readSet(saved.backend, saved.parameters.weights)));
    }
    expect([...found].filter((state) => !states.has(state))).toEqual([]);
    expect(found.size).toBeGreaterThan(1);
  });
});
