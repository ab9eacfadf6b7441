/** Models whose vocabulary is padded above their tokenizer's. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { collect, sameBatch } from "../../test/fixtures.ts";
import { hubModel } from "../../test/hub-model.ts";
import { view } from "../backend/backend.ts";
import { prepareText } from "../data/prepare.ts";
import { save } from "../format/save.ts";
import { writeVocabulary } from "../format/tokenizer.ts";
import { inspect } from "../inspect/inspect.ts";
import { makeConfig } from "../model/config.ts";
import { byteTokenizer } from "../tokenizer/byte.ts";
import { charTokenizerOf } from "../tokenizer/char.ts";
import { gpt2HuggingFaceFiles } from "../tokenizer/huggingface-files.ts";
import { Trainer } from "../train/trainer.ts";
import { GPT2 } from "./gpt2.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "llm-ts-padded-"));
});
afterAll(() => rm(folder, { recursive: true }));

const bytes = 256;
const config = makeConfig({ maxT: 32, V: 320, L: 1, NH: 2, C: 16 });

/** A model of 64 more rows than bytes, of which some always have the largest logits: each and its negative are there. */
async function paddedModel(backend: "reference" | "wasm"): Promise<GPT2> {
  const model = await GPT2.create(config, { backend, threads: 2, tokenizer: byteTokenizer() });
  const { wte } = model.parameters.weights;
  const { V, C } = config;
  const rows = Float32Array.from(
    { length: (V - bytes) * C },
    (_, i) => (Math.floor(i / C) % 2 ? -50 : 50) * ((i % 3) - 0.9),
  );
  await model.backend.write(view(wte, bytes * C, [rows.length]), rows);
  return model;
}

test.each(["reference", "wasm"] as const)(
  "ids above the tokenizer's are never sampled, and decode to nothing: %s",
  async (backend) => {
    const model = await paddedModel(backend);
    try {
      const [all] = [await collect(model.generateTokens([65], { maxTokens: 1 }))];
      expect(all[0]).toBeLessThan(bytes);
      for (const options of [
        {},
        { temperature: 0 },
        { topK: 5 },
        { topP: 0.5 },
        { minP: 0.1 },
        { repetitionPenalty: 1.5 },
      ]) {
        const events = await collect(
          model.generateSamples("A", { maxTokens: 24, samples: 2, logprobs: 3, ...options }),
        );
        const tokens = events.flatMap((event) => (event.type === "token" ? [event.token] : []));
        expect(tokens).toHaveLength(48);
        expect(Math.max(...tokens), JSON.stringify(options)).toBeLessThan(bytes);
        const best = events.flatMap((event) => (event.type === "token" ? (event.top ?? []) : []));
        expect(Math.max(...best.map(({ token }) => token))).toBeLessThan(bytes);
      }
      expect(await collect(model.generateTokens([65], { maxTokens: 4, llmc: true }))).toSatisfy((tokens: number[]) =>
        tokens.every((token) => token < bytes),
      );
      expect(model.tokenizer?.decode([72, 300, 105, 319])).toBe("Hi");
      expect(() => model.tokenizer?.decode([320])).toThrow(/Token 320/);

      const inside = await inspect(model, [72, 300], { top: 400 });
      expect(inside.next.top).toBe(bytes);
      expect(Math.max(...inside.next.tokens)).toBeLessThan(bytes);
      expect(inside.texts.get(300)).toBe("");
    } finally {
      await model.dispose();
    }
  },
);

test("samples of a training have none of them", async () => {
  const model = await paddedModel("reference");
  const batch = { B: 1, T: 4, x: new Int32Array(4), y: new Int32Array(4) };
  const events = await collect(
    new Trainer(model, { learningRate: 1e-9 }).run(sameBatch(batch), { steps: 1, sampleEvery: 1, sampleTokens: 20 }),
  );
  const [sample] = events.filter((event) => event.type === "sample");
  if (sample?.type !== "sample") throw new Error("no sample came");
  expect(sample.tokens.length).toBe(20);
  expect(Math.max(...sample.tokens)).toBeLessThan(bytes);
});

test("GPT-2's vocabulary padded to 50304: its own tokenizer, beside the model or by default", async () => {
  const files = { ...hubModel({ V: 50304 }), ...(await gpt2HuggingFaceFiles(16)) };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  for (const wanted of ["beside", "default"]) {
    if (wanted === "default") await rm(join(folder, "tokenizer.json"));
    if (wanted === "default") await rm(join(folder, "vocab.json"));
    const model = await GPT2.load(join(folder, "model.safetensors"), { backend: "reference" });
    expect(model.tokenizer?.encode("Hello"), wanted).toEqual([15496]);
    expect(model.tokenizer?.decode([15496, 50300])).toBe("Hello");
    expect([model.startToken, model.endTokens, model.unusedIds.length]).toEqual([50256, [50256], 47]);
  }
});

test.each([50257, 50304])("of %s tokens with a tokenizer of its own beside it: that one, not GPT-2's", async (V) => {
  const place = await mkdtemp(join(folder, "own-"));
  for (const [name, content] of Object.entries(hubModel({ V }))) await writeFile(join(place, name), content);
  const characters = charTokenizerOf("\nabcdé");
  await save(join(place, "tokenizer.bin"), (out) => writeVocabulary(out, characters.tokens(), undefined));
  const load = () => GPT2.load(join(place, "model.safetensors"), { backend: "reference" });
  const model = await load();
  expect(model.tokenizer?.kind).toBe("char");
  expect(model.tokenizer?.encode("é")).toEqual(characters.encode("é"));
  expect([model.startToken, model.endTokens, model.unusedIds.length]).toEqual([0, [], V - 6]);
  const [id] = await collect(model.generateTokens([1], { maxTokens: 1 }));
  expect(id).toBeLessThan(6);
});

test("GPT-2 in a folder of data that was prepared in characters keeps its own tokenizer", async () => {
  const place = await mkdtemp(join(folder, "data-"));
  await writeFile(join(place, "text.txt"), "abc ".repeat(50));
  await prepareText([join(place, "text.txt")], place, { tokenizer: "char" });
  for (const [name, content] of Object.entries(hubModel({ V: 50257 }))) await writeFile(join(place, name), content);
  const model = await GPT2.load(join(place, "model.safetensors"), { backend: "reference" });
  expect(model.tokenizer?.kind).toBe("gpt2");
});

test("eos_token_id of generation_config.json, or else config.json, ends a text", async () => {
  const load = async (config: object, generation?: object) => {
    const place = await mkdtemp(join(folder, "eos-"));
    const files = hubModel({ config: { ...config } });
    for (const [name, content] of Object.entries(files)) await writeFile(join(place, name), content);
    if (generation) await writeFile(join(place, "generation_config.json"), JSON.stringify(generation));
    return GPT2.load(join(place, "model.safetensors"), { backend: "reference" });
  };
  const reasons = async (model: GPT2) => {
    const events = await collect(model.generateSamples([1, 2], { maxTokens: 5, temperature: 0 }));
    return [events.length, events.at(-1)];
  };
  const [first] = await collect((await load({})).generateTokens([1, 2], { maxTokens: 1, temperature: 0 }));
  const ended = [1, { type: "end", sample: 0, reason: "end-of-text", text: "" }];
  expect(await reasons(await load({ eos_token_id: first }))).toEqual(ended);
  expect(await reasons(await load({ eos_token_id: [100, first] }))).toEqual(ended);
  expect(await reasons(await load({}, { eos_token_id: first }))).toEqual(ended);
  expect(await reasons(await load({ eos_token_id: first }, { eos_token_id: [100] }))).toMatchObject([
    6,
    { reason: "length" },
  ]);
  expect(await reasons(await load({ eos_token_id: null }))).toMatchObject([6, { reason: "length" }]);
  for (const eos_token_id of ["<eos>", -1, [1.5]])
    await expect(load({ eos_token_id })).rejects.toThrow(
      /config.json: "eos_token_id" is .*expected a token id or a list/,
    );
});
