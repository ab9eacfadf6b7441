/** Training an adapter: PEFT's losses, memory by the plan, the options that cannot be, and several processes. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cpuBackends } from "../../test/backends.ts";
import { bits, collect, fixturePath, largest, maxDifference, readSet, sameBatch } from "../../test/fixtures.ts";
import { localGroup } from "../../test/local-group.ts";
import { writeTokens } from "../../test/run-cli.ts";
import { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { TokenLoader } from "../data/loader.ts";
import { UsageError } from "../errors.ts";
import { readSafetensorsHeader } from "../format/safetensors-file.ts";
import { withSource } from "../format/source.ts";
import { readTrainedAdapter } from "../format/trained-adapter.ts";
import { alone, type Group } from "../group/group.ts";
import { makeConfig } from "../model/config.ts";
import { adapterCount } from "../model/lora.ts";
import { memoryNeeded } from "../model/memory.ts";
import { loraOf } from "./lora-options.ts";
import { runOptionNames, type TrainerOptions, trainerOptionNames } from "./options.ts";
import { runMemory } from "./plan.ts";
import { settingsOf } from "./resolve.ts";
import { complete } from "./settings.ts";
import { Trainer } from "./trainer.ts";

interface Trained {
  readonly ids: readonly number[];
  readonly B: number;
  readonly T: number;
  readonly lr: number;
  readonly losses: readonly number[];
  readonly norms: readonly number[];
}
const peft: Trained = JSON.parse(readFileSync(fixturePath("adapter_train.json"), "utf8"));
const tiny = fixturePath("gpt2_tiny.bin");
const all: TrainerOptions = { loraRank: 4, loraAlpha: 6, loraTargets: "all" };

const folder = mkdtempSync(join(tmpdir(), "llm-ts-"));
const file = join(folder, "train.bin");
beforeAll(() => writeTokens(file, 2000, 101));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(cpuBackends)("%s", (name) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend(name, { threads: 2 });
  });
  afterAll(() => backend.dispose());

  test("five updates are PEFT's with torch's AdamW, and change no weight of the model", async () => {
    const { ids, B, T, lr, losses, norms } = peft;
    await using model = await GPT2.load(tiny, { backend });
    const before = bits(await readSet(backend, model.parameters.weights));
    await using trainer = new Trainer(model, { ...all, learningRate: lr });
    const adapter = await trainer.adapter();
    if (!adapter) throw new Error("no adapter");
    const { set, lora } = adapter;
    const read = (of: string, onTensor: Parameters<typeof readTrainedAdapter>[3]) =>
      withSource(fixturePath(`adapter_train/${of}.safetensors`), (source) =>
        readTrainedAdapter(source, model.config, lora, onTensor),
      );
    await read("adapter_model", (tensor, start, data) => set.write(backend, tensor, start, data));
    const batch = { B, T, x: Int32Array.from(ids.slice(0, -1)), y: Int32Array.from(ids.slice(1)) };
    const events = await collect(trainer.run(sameBatch(batch), { steps: losses.length, sampleEvery: 0 }));
    const steps = events.flatMap((event) => (event.type === "step" ? [event] : []));
    // AdamW turns the rounding of small gradients into steps of up to the rate, which the following losses feel.
    for (const [i, { loss, norm }] of steps.entries()) {
      expect(Math.abs(loss / losses[i] - 1)).toBeLessThan(1e-5);
      expect(Math.abs(norm / norms[i] - 1)).toBeLessThan(1e-4);
    }
    await read("after", async (tensor, start, data) => {
      const found = await set.read(backend, tensor, start, data.length);
      expect(maxDifference(found, data) / largest(data)).toBeLessThan(1e-3);
    });
    expect(bits(await readSet(backend, model.parameters.weights))).toBe(before);
  });

  test("frozen weights in int8: the loss falls", async () => {
    await using model = await GPT2.load(tiny, { backend, weights: "int8" });
    const [loader, valLoader] = await Promise.all([1, 2].map(() => TokenLoader.open(file, { B: 2, T: 8 })));
    await using trainer = new Trainer(model, { loraRank: 8, learningRate: 1e-2 });
    const options = {
      steps: 12,
      overfit: true,
      valLoader,
      valEvery: 6,
      valBatches: 1,
      sampleEvery: 6,
      sampleTokens: 3,
    };
    const events = await collect(trainer.run(loader, options));
    const losses = events.flatMap((event) => (event.type === "step" ? [event.loss] : []));
    expect(losses[11]).toBeLessThan(losses[0] - 0.5);
    // Validations are of the model with its adapter.
    const vals = events.flatMap((event) => (event.type === "val" ? [event.loss] : []));
    expect(vals[2]).toBeLessThan(vals[0] - 0.5);
  });
});

test("the memory plan is what a run takes, a fraction of what training the weights takes", async () => {
  const backend = await createBackend("reference");
  const choices = { loraRank: 4, batch: 2, block: 8, sampleEvery: 2, sampleTokens: 4 };
  for (const weights of ["f32", "bf16"] as const) {
    await using model = await GPT2.load(tiny, { backend, weights });
    const { config } = model;
    const settings = settingsOf({ ...choices, weights }, config.maxT);
    await using trainer = new Trainer(model, complete(trainerOptionNames, settings));
    const loader = await TokenLoader.open(file, { B: 2, T: 8 });
    const events = trainer.run(loader, { ...complete(runOptionNames, settings), steps: 2 });
    await events.next();
    const planned = memoryNeeded(backend, config, runMemory(config, settings));
    const widened = weights === "f32" ? 0 : 4 * config.Vp * config.C;
    // The reference has bf16 in float32.
    if (weights === "f32") expect(backend.memoryUsed).toBe(planned);
    expect(planned - widened).toBeLessThan(
      memoryNeeded(backend, config, runMemory(config, settingsOf({ batch: 2, block: 8 }, config.maxT))) / 1.5,
    );
    await events.return();
  }
  await backend.dispose();
});

test("gpt2-large fits in 4 GiB by the plan with weights in int8, and gpt2-medium with bf16", async () => {
  const backend = await createBackend("reference");
  const sizes = { large: { L: 36, NH: 20, C: 1280 }, medium: { L: 24, NH: 16, C: 1024 } };
  const needed = (name: keyof typeof sizes, weights: "f32" | "bf16" | "int8") => {
    const config = makeConfig({ ...sizes[name], V: 50257, maxT: 1024 });
    const settings = settingsOf({ loraRank: 8, loraTargets: "all", weights, batch: 1, block: 512 }, config.maxT);
    return memoryNeeded(backend, config, runMemory(config, settings));
  };
  expect(needed("large", "int8")).toBeLessThan(2 ** 32);
  expect(needed("medium", "bf16")).toBeLessThan(2 ** 32);
  expect(needed("large", "f32")).toBeGreaterThan(2 ** 32);
  await backend.dispose();
});

test("processes sum the gradients of the adapter alone, and come to the same adapter", async () => {
  const member = async (group: Group) => {
    const backend = await createBackend("reference");
    await using model = await GPT2.load(tiny, { backend });
    const summed: number[] = [];
    const counting: Group = {
      ...group,
      sumTensors: (be, tensors, precision) => {
        summed.push(tensors.reduce((sum, { size }) => sum + size, 0));
        return group.sumTensors(be, tensors, precision);
      },
      broadcastTensors: group.broadcastTensors.bind(group),
      gatherParts: group.gatherParts.bind(group),
      mean: group.mean.bind(group),
      any: group.any.bind(group),
      broadcast: group.broadcast.bind(group),
      gather: group.gather.bind(group),
    };
    const loader = await TokenLoader.open(file, { B: 4 / group.size, T: 8, group });
    await using trainer = new Trainer(model, { ...all, learningRate: 1e-3 }, counting);
    const events = await collect(
      trainer.run(loader, { steps: 4, sampleEvery: 0, checkpointEvery: 2, checkpoint: async (step) => `${step}` }),
    );
    const adapter = await trainer.adapter();
    const blocks = await Promise.all((adapter?.set.blocks ?? []).map((block) => backend.read(block)));
    const losses = events.flatMap((event) => (event.type === "step" ? [event.loss] : []));
    return { losses, summed, bits: bits(blocks), numbers: blocks.reduce((sum, block) => sum + block.length, 0) };
  };
  const one = await member(alone);
  const members = await Promise.all(localGroup(2).map(member));
  for (const found of members) {
    expect(found.bits).toBe(members[0].bits);
    expect(found.summed).toEqual(Array(4).fill(found.numbers));
    for (const [i, loss] of one.losses.entries()) expect(Math.abs(found.losses[i] / loss - 1)).toBeLessThan(1e-6);
  }
});

test("an adapter is saved as PEFT does, and loaded with its model", async () => {
  const backend = await createBackend("reference");
  await using model = await GPT2.load(tiny, { backend });
  const loader = await TokenLoader.open(file, { B: 2, T: 8 });
  await using trainer = new Trainer(model, { ...all, learningRate: 1e-2 });
  const valLoader = await TokenLoader.open(file, { B: 2, T: 8 });
  const options = { steps: 3, valLoader, valEvery: 3, valBatches: 1, sampleEvery: 0 };
  const events = await collect(trainer.run(loader, options));
  const adapter = join(folder, "saved");
  await trainer.saveAdapter(adapter, tiny);
  const { base_bytes, base_sha256 } = (
    await withSource(join(adapter, "adapter_model.safetensors"), readSafetensorsHeader)
  ).metadata;
  expect(base_bytes).toBe(`${statSync(tiny).size}`);
  expect(base_sha256).toBe(createHash("sha256").update(readFileSync(tiny)).digest("hex"));
  await using merged = await GPT2.load(tiny, { backend, adapter });
  const found = await collect(new Trainer(merged).run(loader, { ...options, steps: 0 }));
  const last = (of: typeof events) => of.flatMap((event) => (event.type === "val" ? [event.loss] : [])).at(-1) ?? 0;
  // Added to a matrix, or to its products: rounded differently.
  expect(Math.abs(last(found) / last(events) - 1)).toBeLessThan(1e-5);
  expect(last(events)).toBeLessThan(6);
  await expect(new Trainer(merged).saveAdapter(adapter, tiny)).rejects.toThrow("trains weights, not an adapter");
});

describe("options", () => {
  const config = makeConfig({ L: 2, NH: 2, C: 32, V: 101, maxT: 16 });
  const defaults = { loraRank: 8, loraAlpha: 0, loraTargets: "qkv" };

  test("alpha is twice the rank by default, and targets go by PEFT's names as well", () => {
    expect(loraOf({ ...defaults, loraRank: 0 }, config)).toBeUndefined();
    expect(loraOf(defaults, config)).toEqual({ rank: 8, alpha: 16, targets: ["qkv"] });
    expect(loraOf({ ...defaults, loraTargets: "c_proj, c_attn" }, config)?.targets).toEqual([
      "qkv",
      "attproj",
      "fcproj",
    ]);
    for (const [names, targets] of [
      ["attn.c_attn", ["qkv"]],
      ["attn.c_proj", ["attproj"]],
      ["mlp.c_fc, mlp.c_proj", ["fc", "fcproj"]],
      ["all-linear", ["qkv", "attproj", "fc", "fcproj"]],
    ] as const)
      expect(loraOf({ ...defaults, loraTargets: names }, config)?.targets).toEqual(targets);
    const lora = loraOf({ ...defaults, loraTargets: "all" }, config);
    expect(lora && adapterCount(config, lora)).toBe(2 * 8 * (32 + 96 + (32 + 32) + (32 + 128) + (128 + 32)));
  });

  test.each([
    [
      { loraRank: 33 },
      /A LoRA of rank 33 \(--lora-rank\) is larger than the matrix qkv of 96 x 32 .* Choose 32 or less/,
    ],
    [
      { loraRank: 4, loraTargets: "qkv,wte" },
      /"wte", which is no matrix of a layer\. Choose all, or some of qkv, attproj, fc, fcproj or PEFT's .*attn\.c_attn/,
    ],
    [{ loraRank: 4, loraTargets: "h.0.attn.c_attn" }, /"h\.0\.attn\.c_attn", which is no matrix/],
    [{ loraRank: 4, loraTargets: "proj" }, /"proj", which is no matrix of a layer/],
    [{ loraRank: 4, precision: "bf16" as const }, /trained in fp32, not in bf16/],
    [{ loraRank: 4, zeroStage: 1 }, /moments of an adapter/],
    [{ loraRank: -1 }, /loraRank is -1, expected a whole number/],
  ])("%j is refused", async (options, message) => {
    const backend = await createBackend("reference");
    await using model = await GPT2.load(tiny, { backend });
    const make = () => new Trainer(model, options);
    expect(make).toThrow(message);
    expect(make).toThrow(UsageError);
  });

  test.each([{ precision: "bf16" as const }, { zeroStage: 1 }])("%j with a rank", (choices) => {
    expect(() => settingsOf({ ...choices, loraRank: 4 }, 16)).toThrow(/ adapter \(--lora-rank\) /);
  });
});
