import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cpuBackends } from "../../test/backends.ts";
import { CountingBatches } from "../../test/counting-batches.ts";
import { bits, collect, fixturePath, readSet } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import { type Backend, view } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { NotFiniteError } from "../errors.ts";
import { noteOf, type TrainEvent } from "../train/events.ts";
import type { RunOptions, TrainerOptions } from "../train/options.ts";
import { Trainer } from "../train/trainer.ts";

describe.each(cpuBackends)("%s", (name) => {
  let backend: Backend;
  let model: GPT2;
  beforeAll(async () => {
    backend = await createBackend(name, { threads: 2 });
  });
  afterAll(() => backend.dispose());
  beforeEach(async () => {
    model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
  });
  afterEach(() => model.dispose());

  /** Writes a NaN into what flows back from the head, in the backward passes that `isBad` says, counted from 0. */
  function poisonBackward(isBad: (pass: number) => boolean): () => void {
    const headBackward = backend.headBackward.bind(backend);
    let pass = 0;
    backend.headBackward = (head, dinp, ...rest) => {
      headBackward(head, dinp, ...rest);
      if (isBad(pass++)) backend.fill(view(dinp, 5, [1]), Number.NaN);
    };
    return () => {
      backend.headBackward = headBackward;
    };
  }

  async function run(trainer: Trainer, options: Partial<RunOptions> = {}): Promise<TrainEvent[]> {
    return collect(trainer.run(new CountingBatches(2, 8), { steps: 6, sampleEvery: 0, ...options }));
  }

  /** The error that a run ends with, after making sure that weights and moments are as they were before that step. */
  async function failure(options: TrainerOptions, runOptions?: Partial<RunOptions>): Promise<NotFiniteError> {
    const trainer = new Trainer(model, options);
    const everything = async () => {
      const sets = [model.parameters.weights, ...Object.values(trainer.moments())];
      return Promise.all(sets.map(async (set) => bits(await readSet(backend, set))));
    };
    let before: string[] = [];
    const events = trainer.run(new CountingBatches(2, 8), { steps: 20, sampleEvery: 0, ...runOptions });
    try {
      before = await everything();
      for await (const _ of events) before = await everything();
    } catch (error) {
      expect(await everything()).toEqual(before);
      if (error instanceof NotFiniteError) return error;
      throw error;
    } finally {
      await trainer.dispose();
    }
    throw new Error("The run went through.");
  }

  test("a weight stops the run, and is named", async () => {
    await model.parameters.weights.write(backend, "attprojw", 1500, Float32Array.of(Number.NaN));
    await model.parameters.weights.write(backend, "lnfw", 2, Float32Array.of(Number.POSITIVE_INFINITY));
    const tensor = { kind: "weight", name: "attprojw", index: 1500, value: Number.NaN };
    const error = await failure({});
    expect(error.tensor).toEqual(tensor);
    expect(error.message).toContain("In step 0 the loss is NaN, and the first tensor that is not finite is the weight");
    // To skip would help nothing: the weight stays as it is.
    expect((await failure({ onNotFinite: "skip" })).tensor).toEqual(tensor);
    const valLoader = new CountingBatches(2, 8);
    await expect(run(new Trainer(model), { valLoader })).rejects.toMatchObject({ tensor });
  });

  test("a gradient stops the run, and is named", async () => {
    const restore = poisonBackward((pass) => pass === 3);
    const error = await failure({ learningRate: 1e-3 }).finally(restore);
    // The loss is a number, but the NaN has gone back to the embeddings of its row's token and position.
    expect(error.tensor).toMatchObject({ kind: "gradient", name: "wte", value: Number.NaN });
    expect(error.message).toMatch(
      /^In step 3 the norm of the gradients is NaN, .* is the gradient of wte: it holds NaN/,
    );
    expect(error.message).toContain("the weights are those after 3 updates");
  });

  test("so does one in any of a step's batches", async () => {
    const restore = poisonBackward((pass) => pass === 3);
    const error = await failure({ accumulate: 2 }).finally(restore);
    expect(error.message).toMatch(/^In step 1 the norm/);
  });

  test("a residual stream whose variance overflows stops the run, or is computed right", async () => {
    const [wpe] = model.parameters.weights.tensors("wpe");
    const positions = await backend.read(wpe);
    // Far above embeddings of 0.1: without a check, every row of a layernorm would be its bias.
    await backend.write(
      wpe,
      positions.map((x) => x * 1e25),
    );
    if (name === "reference") {
      const [step] = await run(new Trainer(model), { steps: 1 });
      expect(step).toMatchObject({ type: "step", skipped: undefined });
      return;
    }
    const error = await failure({});
    expect(error.message).toMatch(/^In step 0 the loss is NaN/);
    await expect(run(new Trainer(model), { valLoader: new CountingBatches(2, 8) })).rejects.toThrow(NotFiniteError);
    await expect(collect(model.generateTokens([1], { maxTokens: 1 }))).rejects.toThrow(NotFiniteError);
  });

  test("gradients that are numbers, but too large to be squared and added up", async () => {
    const { weight } = model.parameters.weights.lnf;
    await backend.write(weight, new Float32Array(weight.size).fill(1e25));
    const error = await failure({});
    expect(error.message).toContain("though every number behind it is finite: they are too large");
    expect(error.tensor).toBeUndefined();
  });

  test("skip makes no update and continues; the step counts", async () => {
    const restore = poisonBackward((pass) => pass === 1 || pass === 2);
    const trainer = new Trainer(model, { onNotFinite: "skip", learningRate: 1e-3 });
    const events = await run(trainer).finally(restore);
    const steps = events.filter((event) => event.type === "step");
    expect(steps.map(({ skipped }) => skipped)).toEqual([undefined, "nan", "nan", undefined, undefined, undefined]);
    expect(noteOf(steps[1])).toMatch(/^skipping update 1: the norm of the gradients is NaN, .* gradient of wte/);
    expect(events.at(-1)).toMatchObject({ type: "done", step: 6, skipped: 2 });
    expect(trainer.state()).toMatchObject({
      skipped: { nan: 2 },
      notFiniteInARow: 0,
      losses: { values: { length: 4 } },
    });
    await trainer.dispose();
  });

  test("skip gives up after 10 in a row", async () => {
    const restore = poisonBackward((pass) => pass > 0);
    const error = await failure({ onNotFinite: "skip" }).finally(restore);
    expect(error.message).toContain("In step 10 the norm of the gradients is NaN");
    expect(error.message).toContain("It was so in 10 steps in a row.");
  });
});
