// Models whose architecture is no GPT-2's, each option and their combination: as PyTorch computes them, and in everything that
// a model goes through.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { GPT2 } from "../src/api/gpt2.ts";
import type { Backend } from "../src/backend/backend.ts";
import { ReferenceBackend } from "../src/backend/reference/reference.ts";
import { createBackend } from "../src/backend/registry.ts";
import { InputError, UsageError } from "../src/errors.ts";
import { huggingFaceConfig } from "../src/format/huggingface-config.ts";
import { readOptimizerState, writeOptimizerState } from "../src/format/optimizer.ts";
import { readDebugState, writeDebugState } from "../src/format/state.ts";
import { inspect } from "../src/inspect/inspect.ts";
import { type Architecture, architecture, departures, makeConfig } from "../src/model/config.ts";
import { openSource } from "../src/platform/node-files.ts";
import { openCheckpoint, restoreCheckpoint, writeCheckpoint } from "../src/runs/checkpoint.ts";
import { Trainer } from "../src/train/trainer.ts";
import { CountingBatches } from "./counting-batches.ts";
import { bits, collect, computeBatch, fixturePath, largest, maxDifference, randomModel, readSet } from "./fixtures.ts";
import { MemorySink } from "./memory-sink.ts";
import { run as runCommand, testFolder, writeTokens } from "./run-cli.ts";

const options: readonly (readonly [fixture: string, change: Partial<Architecture>])[] = [
  ["gpt2_rms", { norm: "rms" }],
  ["gpt2_rotary", { positions: "rotary" }],
  ["gpt2_rms_rotary", { norm: "rms", positions: "rotary" }],
];

const folder = testFolder();

test("every option has a model of PyTorch's to compare with", () => {
  const others = Object.entries<readonly string[]>(architecture).flatMap(([name, [, ...values]]) =>
    values.map((value) => `${name} ${value}`),
  );
  const compared = options.flatMap(([, change]) => Object.entries(change).map((entry) => entry.join(" ")));
  expect([...new Set(compared)]).toEqual(others);
});

describe.each(options)("%s", (fixture, change) => {
  const changes = Object.entries(change) as [name: string, value: string][];
  const { x, y, loss, logits, greedy } = JSON.parse(readFileSync(fixturePath(`${fixture}/expected.json`), "utf8"));
  const batch = { B: x.length, T: x[0].length, x: Int32Array.from(x.flat()), y: Int32Array.from(y.flat()) };
  const config = makeConfig({ maxT: 12, V: 61, L: 2, NH: 2, C: 16, hidden: 24, ...change });

  test.each([
    ["reference", undefined],
    ["wasm", "relaxed-6x16"],
    ["wasm", "plain-6x8"],
  ] as const)("logits, loss, gradients and the greedy continuation are PyTorch's on %s %s", async (name, kernel) => {
    const backend = await createBackend(name, { threads: 2, kernel });
    const model = await GPT2.load(fixturePath(`${fixture}/model.safetensors`), { backend });
    expect(model.config).toEqual(config);
    const computed = await computeBatch(model, batch);
    // PyTorch's float32 against float64 inside: sums of at most 61 products of numbers of size 1, through two layers.
    expect(maxDifference(computed.logits, Float32Array.from(logits))).toBeLessThan(1e-5);
    expect(Math.abs(computed.loss - loss)).toBeLessThan(1e-5);
    const torch = await GPT2.load(fixturePath(`${fixture}/gradients.safetensors`), { backend });
    const gradients = await readSet(backend, torch.parameters.weights);
    for (const { name: tensor } of torch.parameters.weights.parameters)
      expect(
        maxDifference(computed.gradients[tensor], gradients[tensor]) / largest(gradients[tensor]),
        tensor,
      ).toBeLessThan(1e-5);
    const continued = model.generateTokens(greedy.slice(0, 3), { maxTokens: 9, temperature: 0, pastEnd: true });
    expect(await collect(continued)).toEqual(greedy.slice(3));
    await backend.dispose();
  });

  test("the same bits at any number of threads", async () => {
    const found: string[] = [];
    for (const threads of [1, 2, 3]) {
      const backend = await createBackend("wasm", { threads });
      const { logits, gradients } = await computeBatch(await randomModel(backend, config), batch);
      found.push(bits([logits, ...Object.values(gradients)]));
      await backend.dispose();
    }
    expect(new Set(found).size).toBe(1);
  });

  test("its operations keep to the contract, and all samples reread what they forget", async () => {
    const samples = async (backend: Backend = new ReferenceBackend()) => {
      const model = await randomModel(backend, config);
      await collect(new Trainer(model, { accumulate: 2 }).run(new CountingBatches(2, 9), { steps: 2, sampleEvery: 0 }));
      return collect(model.generateSamples([1, 2, 3], { samples: 3, maxTokens: 14 }));
    };
    expect(await samples(new ReferenceBackend({ alignment: 256 }))).toEqual(await samples());
  });

  test("tokens with a cache are those of the whole sequence", async () => {
    const model = await randomModel(new ReferenceBackend(), config);
    const text: number[] = [5, 6, 7];
    for await (const token of model.generateTokens([5, 6, 7], { maxTokens: 9, temperature: 0, pastEnd: true })) {
      const { next } = await inspect(model, text, { top: 1 });
      expect(token).toBe(next.tokens.at(-1));
      text.push(token);
    }
    expect(text).toHaveLength(12);
  });

  test("safetensors hold it, under a name that is not GPT-2's; llm.c's files refuse it", async () => {
    const model = await randomModel(new ReferenceBackend(), config);
    const path = join(folder, `${fixture}.safetensors`);
    await model.save(path);
    const again = await GPT2.load(path, { backend: "reference" });
    expect(again.config).toEqual(config);
    const weightsOf = async ({ backend, parameters }: GPT2) => bits(await readSet(backend, parameters.weights));
    expect(await weightsOf(again)).toBe(await weightsOf(model));
    expect(huggingFaceConfig(config)).toMatchObject({ model_type: "llm-ts-gpt2", ...departures(config) });

    const why = changes[0].join(" is ");
    await expect(model.save(join(folder, "model.bin"))).rejects.toThrow(UsageError);
    await expect(model.save(join(folder, "model.bin"))).rejects.toThrow(why);
    const state = await openSource(new Uint8Array(readFileSync(fixturePath("gpt2_tiny_debug_state.bin"))));
    await expect(readDebugState(state, config)).rejects.toThrow(InputError);
    const content = { B: 1, T: 1, x: Int32Array.of(0), y: Int32Array.of(0), loss: 0 };
    const values = { readLogits: async () => new Float32Array(), readGradient: async () => new Float32Array() };
    const written = writeDebugState(new MemorySink(), config, { ...content, ...values });
    await expect(written).rejects.toThrow(why);
  });

  test("a state of AdamW is of a version of its own", async () => {
    const zeros = async (_name: unknown, _start: number, length: number) => new Float32Array(length);
    const sizes = { maxT: 12, V: 61, L: 2, NH: 2, C: 16, hidden: 24 };
    const bytesOf = async (from: typeof config) => {
      const sink = new MemorySink();
      await writeOptimizerState(sink, from, { step: 1, shard: 0, sample: 0 }, zeros, zeros);
      return openSource(sink.bytes);
    };
    expect((await readOptimizerState(await bytesOf(config), config)).step).toBe(1);
    await expect(readOptimizerState(await bytesOf(makeConfig(sizes)), config)).rejects.toThrow(InputError);
    await expect(readOptimizerState(await bytesOf(config), makeConfig(sizes))).rejects.toThrow(/has version 2/);
  });

  test("a run resumes from a checkpoint bit for bit", async () => {
    const backend = await createBackend("wasm", { threads: 2 });
    const trainerOf = (model: GPT2) => new Trainer(model, { learningRate: 1e-2, weightDecay: 0.1, gradClip: 1 });
    const run = (trainer: Trainer, loader: CountingBatches, steps: number) =>
      collect(trainer.run(loader, { steps, sampleEvery: 0 }));
    const loader = new CountingBatches(2, 9);
    const whole = trainerOf(await GPT2.create(config, { backend }));
    await run(whole, loader, 3);
    await writeCheckpoint(folder, whole, {});
    await run(whole, loader, 3);

    const checkpoint = await openCheckpoint(folder, 3);
    expect(checkpoint.model).toMatch(/\.safetensors$/);
    const resumed = trainerOf(await GPT2.load(checkpoint.model, { backend }));
    await restoreCheckpoint(resumed, checkpoint);
    const rest = new CountingBatches(2, 9);
    rest.used = 3 * 2 * 9;
    await run(resumed, rest, 3);
    const setsOf = async ({ model }: Trainer) => bits(await readSet(backend, model.parameters.weights));
    expect(await setsOf(resumed)).toBe(await setsOf(whole));
    await backend.dispose();
  });

  test("the command trains, resumes, describes and uses one, and refuses what llm.c's files would lose", async () => {
    const cwd = join(folder, `${fixture}-run`);
    mkdirSync(cwd);
    const llmTs = (...args: string[]) => runCommand(args, { cwd });
    writeTokens(join(cwd, "train.bin"), 300, 61);
    const sizes = ["-e", "custom", "--layers", "2", "--heads", "2", "--channels", "16", "--vocab", "61"];
    const chosen = changes.flatMap(([name, value]) => [`--${name}`, value]);
    const data = ["-i", "train.bin", "-j", "train.bin", "-b", "2", "-t", "8", "-n", "2"];
    const train = (...args: string[]) => llmTs("train", ...sizes, ...chosen, ...data, ...args);
    for (const [out, ...args] of [
      ["whole", "-x", "4"],
      ["half", "-x", "2"],
      ["half", "-x", "4", "-y", "--force"],
    ])
      expect(await train("-o", out, ...args)).toMatchObject({ code: 0 });
    const weights = (name: string) => readFileSync(join(cwd, name, "model_00000004.safetensors"));
    expect(weights("half").equals(weights("whole"))).toBe(true);
    expect(JSON.parse(readFileSync(join(cwd, "whole/config.json"), "utf8")).model).toMatchObject(change);

    const [[name, value]] = changes;
    const [usual] = (architecture as Readonly<Record<string, readonly string[]>>)[name];
    const other = await llmTs("train", "-o", "half", "-y", `--${name}`, usual);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain(`--${name}`);
    const trained = await llmTs("train", "-e", fixturePath("gpt2_tiny.bin"), `--${name}`, value, "-i", "train.bin");
    expect(trained.stderr).toContain(`--${name} makes a new model`);

    const generated = await llmTs("generate", "--model", "whole", "--tokens", "20", "--temperature", "0", "--json");
    expect(generated).toMatchObject({ code: 0 });
    expect(JSON.parse(generated.stdout).tokens).toHaveLength(20);
    expect((await llmTs("eval", "train.bin", "--model", "whole")).code).toBe(0);
    expect((await llmTs("info", "whole/model_00000004.safetensors")).stdout).toMatch(new RegExp(`${name}\\s+${value}`));
    expect((await llmTs("info", "whole")).code).toBe(0);
    expect((await llmTs("convert", "whole", "folder")).code).toBe(0);
    expect(JSON.parse(readFileSync(join(cwd, "folder/config.json"), "utf8"))).toMatchObject(change);
    const bin = await llmTs("convert", "folder", "model.bin");
    expect(bin.code).not.toBe(0);
    expect(bin.stderr).toContain(`its ${name} is ${value}, which llm.c's formats do not know`);
    const state = await llmTs(
      "debug-state",
      "--model",
      "folder",
      "--train",
      "train.bin",
      "-b",
      "1",
      "-t",
      "4",
      "--out",
      "s.bin",
    );
    expect(state.stderr).toContain(`there is no debug state of this model: its ${name} is ${value}`);
  });
});
