/** LoRA adapters against PEFT (test/fixtures/adapter.py): logits with one, merged matrices, and what is refused. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { collect, fixturePath, maxDifference } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { sizeOf } from "../backend/shape.ts";
import { InputError } from "../errors.ts";
import { hubName, type TensorName } from "../model/parameters.ts";
import { readAdapter, withAdapter } from "./adapter.ts";
import { withSource } from "./source.ts";
import { layerParts, streamOf } from "./tensors.ts";

interface Expected {
  readonly tokens: readonly number[];
  readonly adapter_default: { readonly logits: readonly number[]; readonly sums: Readonly<Record<string, number>> };
  readonly adapter_all: Expected["adapter_default"];
}
const expected: Expected = JSON.parse(readFileSync(fixturePath("adapter.json"), "utf8"));
const adapters = ["adapter_default", "adapter_all"] as const;
const tiny = fixturePath("gpt2_tiny.bin");

let backend: Backend;
let folder: string;
beforeAll(async () => {
  backend = await createBackend("wasm", { threads: 2 });
  folder = mkdtempSync(join(tmpdir(), "llm-ts-adapter-"));
});
afterAll(async () => {
  await backend.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Logarithms of the probabilities of what comes after the fixture's tokens, by token. */
async function logprobsOf(model: GPT2): Promise<Float32Array> {
  const { V } = model.config;
  const [event] = await collect(
    model.generateSamples(expected.tokens, { maxTokens: 1, temperature: 0, logprobs: V, pastEnd: true }),
  );
  const found = new Float32Array(V).fill(Number.NaN);
  if (event.type !== "token" || !event.top) throw new Error("no token");
  for (const { token, logprob } of event.top) found[token] = logprob;
  return found;
}

function logSoftmax(logits: readonly number[]): Float32Array {
  const most = Math.max(...logits);
  const sum = Math.log(logits.reduce((total, logit) => total + Math.exp(logit - most), 0)) + most;
  return Float32Array.from(logits, (logit) => logit - sum);
}

describe.each(adapters)("%s", (name) => {
  const adapter = fixturePath(name);

  test("gives PEFT's probabilities, which are not those of the model alone", async () => {
    const wanted = logSoftmax(expected[name].logits);
    const model = await GPT2.load(tiny, { backend, adapter });
    // Sums of 32 to 128 products in float32, of magnitudes up to 10.
    expect(maxDifference(await logprobsOf(model), wanted)).toBeLessThan(1e-4);
    const alone = await GPT2.load(tiny, { backend });
    expect(maxDifference(await logprobsOf(alone), wanted)).toBeGreaterThan(0.1);
    const narrow = await GPT2.load(tiny, { backend, adapter, weights: "int8" });
    expect(maxDifference(await logprobsOf(narrow), wanted)).toBeLessThan(0.5);
    for (const each of [model, alone, narrow]) await each.dispose();
  });

  test("merges to PEFT's matrices", async () => {
    const model = await GPT2.load(tiny, { backend, adapter });
    for (const { parameter, layer, start, shape } of layerParts(model.config).filter(
      (part) => part.parameter.transposed,
    )) {
      const values = await model.parameters.weights.read(backend, parameter.name, start, sizeOf(shape));
      const sum = values.reduce((total, value) => total + value, 0);
      expect(sum).toBeCloseTo(expected[name].sums[hubName(parameter.name, layer)], 3);
    }
    await model.dispose();
  });
});

const read = (path: string) =>
  withSource(join(path, "adapter_config.json"), (config) =>
    withSource(join(path, "adapter_model.safetensors"), (weights) => readAdapter(config, weights)),
  );

test("chunks of any length, across rows and layers, give the same sums", async () => {
  const adapter = await read(fixturePath("adapter_all"));
  const model = await GPT2.load(tiny, { backend });
  const { config, parameters } = model;
  const inChunks = async (length: number) => {
    const all = new Map<TensorName, number[]>();
    const whole = streamOf(config, (name, start, count) => parameters.weights.read(backend, name, start, count));
    const stream = withAdapter(
      {
        config,
        readTensors: (onChunk) =>
          whole.readTensors(async (name, start, data) => {
            for (let at = 0; at < data.length; at += length)
              await onChunk(name, start + at, data.subarray(at, at + length));
          }),
      },
      adapter,
    );
    await stream.readTensors(async (name, _start, data) => {
      all.set(name, [...(all.get(name) ?? []), ...data]);
    });
    return all;
  };
  expect(await inChunks(1e9)).toEqual(await inChunks(5003));
  await model.dispose();
});

describe("refused is", () => {
  /** A copy of an adapter with some fields of its configuration changed. */
  function changed(fields: Readonly<Record<string, unknown>>): string {
    const copy = mkdtempSync(join(folder, "copy-"));
    cpSync(fixturePath("adapter_default"), copy, { recursive: true });
    const path = join(copy, "adapter_config.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...fields }));
    return copy;
  }
  const refused = (adapter: string, model = tiny) => expect(GPT2.load(model, { backend, adapter })).rejects;

  test("an adapter of another model, by its name and sizes", async () => {
    const odd = fixturePath("gpt2_odd.bin");
    await refused(fixturePath("adapter_default"), odd).toThrow(
      /adapter_model\.safetensors is an adapter of another model, of "gpt2_tiny" by its config: it adds 96 x 32 numbers to h\.0\.attn\.c_attn, which is \d+ x \d+ in the model/,
    );
    await refused(fixturePath("adapter_default"), odd).toThrow(InputError);
  });

  test.each([
    [{ use_dora: true }, /"use_dora" is true, and llm-ts applies LoRA of matrices alone/],
    [{ peft_type: "IA3" }, /"peft_type" is "IA3"/],
    [{ bias: "all" }, /"bias" is "all"/],
    [{ modules_to_save: ["wte"] }, /"modules_to_save" is \["wte"\]/],
    [{ lora_alpha: "8" }, /"lora_alpha" is "8", expected a number/],
    [{ r: 99 }, /c_attn has rank \d, and .*adapter_config\.json says 99: they are two adapters' files/],
    [{ target_modules: ["mlp.c_fc", "attn"] }, /holds h\.\d\.attn\.c_attn, which is none of the "target_modules"/],
    [{ alpha_pattern: { "(": 3 } }, /"alpha_pattern" has "\(", which is no pattern/],
  ])("%j", async (fields, message) => {
    await refused(changed(fields)).toThrow(message);
  });

  test("nothing where target_modules name the matrices by the end of their names, or not one by one", async () => {
    for (const target_modules of [
      ["c_attn"],
      ["attn.c_attn"],
      ["h.0.attn.c_attn", "h.1.attn.c_attn"],
      "all-linear",
      null,
    ]) {
      const model = await GPT2.load(tiny, { backend, adapter: changed({ target_modules }) });
      await model.dispose();
    }
  });

  test("a folder without one, and tensors that are not a matrix's", async () => {
    await refused(folder).toThrow(/adapter_config\.json is not there\. An adapter is a folder with/);
    const copy = changed({});
    const path = join(copy, "adapter_model.safetensors");
    const text = readFileSync(path, "latin1").replaceAll("lora_A", "lora_E");
    writeFileSync(path, text, "latin1");
    await refused(copy).toThrow(/lora_E\.weight" is no lora_A or lora_B of a layer's matrix/);
  });
});
