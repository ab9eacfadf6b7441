import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CountingBackend } from "../../test/counting-backend.ts";
import { CountingBatches } from "../../test/counting-batches.ts";
import { bits, collect, readSet } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import { InputError, MemoryError, NotFiniteError, UsageError } from "../errors.ts";
import { alone } from "../group/group.ts";
import { makeConfig } from "../model/config.ts";
import { memoryNeeded } from "../model/memory.ts";
import { byteTokenizer } from "../tokenizer/byte.ts";
import { batchesIn } from "./checks.ts";
import { noteOf, type StepEvent, type TrainEvent } from "./events.ts";
import type { BatchSource, RunOptions } from "./options.ts";
import { Trainer } from "./trainer.ts";

const B = 2;
const T = 8;
const V = 256;

let backend: CountingBackend;
let model: GPT2;
beforeEach(async () => {
  backend = new CountingBackend();
  const config = makeConfig({ maxT: 12, V, Vp: 256, L: 1, NH: 2, C: 8 });
  model = await GPT2.create(config, { backend, tokenizer: byteTokenizer() });
});
afterEach(() => model.dispose());

const weightBits = async () => bits(await readSet(backend, model.parameters.weights));

/** Events in short: what and when. */
const outline = (events: readonly TrainEvent[]) => events.map(({ type, step }) => `${type} ${step}`);

describe("the order of events", () => {
  const run = async (options: RunOptions) =>
    outline(await collect(new Trainer(model).run(new CountingBatches(B, T), options)));

  test("validation, sample, update, as in llm.c; once more after the last update", async () => {
    const valLoader = new CountingBatches(B, T);
    expect(await run({ steps: 4, valLoader, valEvery: 2, valBatches: 1, sampleEvery: 2, sampleTokens: 3 })).toEqual([
      "val 0",
      "step 0",
      "step 1",
      "val 2",
      "sample 2",
      "step 2",
      "step 3",
      "val 4",
      "sample 4",
      "done 4",
    ]);
    expect(valLoader.resets).toBe(3);
  });

  test("the last validation comes even when its turn has not", async () => {
    const valLoader = new CountingBatches(B, T);
    expect(await run({ steps: 2, valLoader, valBatches: 2 })).toEqual(["val 0", "step 0", "step 1", "val 2", "done 2"]);
    expect(valLoader.used).toBe(2 * B * T);
  });

  test("0 means never", async () => {
    const options = { valLoader: new CountingBatches(B, T), valEvery: 0, sampleEvery: 0 };
    expect(await run({ steps: 1, ...options })).toEqual(["step 0", "done 1"]);
    expect(await run({ steps: 0, ...options })).toEqual(["done 0"]);
  });

  test("checkpoints when it is time, and at the end once", async () => {
    const saved: number[] = [];
    const checkpoint = async (step: number) => {
      saved.push(step);
      return `model ${step}`;
    };
    expect(await run({ steps: 4, checkpoint, checkpointEvery: 2 })).toEqual([
      "step 0",
      "step 1",
      "checkpoint 2",
      "step 2",
      "step 3",
      "checkpoint 4",
      "done 4",
    ]);
    expect(saved).toEqual([2, 4]);
  });

  test("events say what happened", async () => {
    const loader = new CountingBatches(B, T);
    const trainer = new Trainer(model, { learningRate: 1e-2, schedule: "wsd", warmupSteps: 2 });
    const events = await collect(
      trainer.run(loader, { steps: 30, valLoader: new CountingBatches(B, T), sampleTokens: 5 }),
    );
    const steps = events.filter((event) => event.type === "step");
    expect(steps.map(({ learningRate }) => learningRate).slice(0, 3)).toEqual([5e-3, 1e-2, 1e-2]);
    expect(steps[0].loss).toBeCloseTo(Math.log(V), 0);
    expect(steps[29].loss).toBeLessThan(steps[0].loss - 1);
    expect(steps.every(({ ms, tokensPerSecond, norm }) => ms > 0 && tokensPerSecond > 0 && norm > 0)).toBe(true);
    const [sample] = events.filter((event) => event.type === "sample");
    expect(sample.tokens).toHaveLength(5);
    // Bytes have no end-of-text token: a sample begins on a new line.
    expect(sample.tokens[0]).toBe(10);
    expect(sample.text).toBe(byteTokenizer().decode(sample.tokens.slice(1)));
    expect(events.at(-1)).toMatchObject({
      type: "done",
      step: 30,
      steps: 30,
      loss: steps[29].loss,
      interrupted: false,
    });
    // Exactly the batches that were used were fetched.
    expect(loader.used).toBe(30 * B * T);
  });

  test("samples draw from one stream of random numbers", async () => {
    const options = { sampleEvery: 1, sampleTokens: 9, steps: 2 };
    // At a learning rate of 0 both samples come from the same model.
    const events = await collect(new Trainer(model, { learningRate: 0 }).run(new CountingBatches(B, T), options));
    const [first, second] = events.filter((event) => event.type === "sample").map(({ tokens }) => tokens.slice(1));
    const whole = await collect(model.generateTokens([10], { maxTokens: 8 }));
    expect(first).toEqual(whole);
    expect(second).not.toEqual(first);
  });

  test("a sample can continue a prompt", async () => {
    const options = { steps: 1, sampleEvery: 1, sampleTokens: 4, samplePrompt: "ab" };
    const [sample] = (await collect(new Trainer(model).run(new CountingBatches(B, T), options))).filter(
      (e) => e.type === "sample",
    );
    expect(sample.tokens.slice(0, 2)).toEqual([97, 98]);
    expect(sample.tokens).toHaveLength(6);
  });
});

describe("the end of a run", () => {
  test("a signal ends it after the step under way, and the model is saved", async () => {
    const controller = new AbortController();
    const events: TrainEvent[] = [];
    const options = {
      steps: 100,
      signal: controller.signal,
      valLoader: new CountingBatches(B, T),
      checkpoint: async () => "here",
    };
    for await (const event of new Trainer(model).run(new CountingBatches(B, T), options)) {
      events.push(event);
      if (event.type === "step" && event.step === 2) controller.abort();
    }
    expect(outline(events)).toEqual(["val 0", "step 0", "step 1", "step 2", "checkpoint 3", "done 3"]);
    expect(events.at(-1)).toMatchObject({ interrupted: true, step: 3, steps: 100 });
  });

  test("a signal that came before means no update and nothing to save", async () => {
    const options = {
      steps: 5,
      signal: AbortSignal.abort(),
      valLoader: new CountingBatches(B, T),
      checkpoint: async () => "here",
    };
    const events = await collect(new Trainer(model).run(new CountingBatches(B, T), options));
    expect(events).toEqual([expect.objectContaining({ type: "done", step: 0, interrupted: true })]);
  });

  test("memory for activations is given back, also when the loop is left early", async () => {
    const before = backend.bytes;
    const trainer = new Trainer(model);
    const optimizer = 3 * memoryNeeded(backend, model.config, {});
    await collect(trainer.run(new CountingBatches(B, T), { steps: 2, valLoader: new CountingBatches(B, T) }));
    expect(backend.bytes).toBe(before + optimizer);
    for await (const event of trainer.run(new CountingBatches(B, T), { steps: 9 })) if (event.type === "step") break;
    expect(backend.bytes).toBe(before + optimizer);
    await trainer.dispose();
    expect(backend.bytes).toBe(before);
  });

  test("two runs make the updates of one", async () => {
    const steps = 6;
    const options = { learningRate: 1e-2, beta2: 0.95 };
    await collect(new Trainer(model, options).run(new CountingBatches(B, T), { steps }));
    const whole = await weightBits();
    const other = await GPT2.create(model.config, { backend, tokenizer: byteTokenizer() });
    const trainer = new Trainer(other, options);
    const loader = new CountingBatches(B, T);
    const events = [
      ...(await collect(trainer.run(loader, { steps: 2 }))),
      ...(await collect(trainer.run(loader, { steps: 4 }))),
    ];
    expect(bits(await readSet(backend, other.parameters.weights))).toBe(whole);
    expect(outline(events)).toContain("step 5");
    await other.dispose();
  });
});

describe("early stopping", () => {
  /** Validation losses that fall, and then rise, since the model trains on other tokens. */
  const options = { steps: 60, valLoader: new CountingBatches(B, T), valEvery: 3, valBatches: 1, earlyStop: 2 };
  const trainOnOthers = (trainer: Trainer, more: Partial<RunOptions> = {}) =>
    collect(trainer.run(new CountingBatches(B, T, 7), { ...options, ...more }));

  test("ends the run when the validation loss gets no better, and says which was best", async () => {
    const saved: number[] = [];
    const checkpoint = async (step: number) => {
      saved.push(step);
      return "here";
    };
    const events = await trainOnOthers(new Trainer(model, { learningRate: 3e-2 }), { checkpoint });
    const vals = events.filter((event) => event.type === "val");
    const best = vals.reduce((a, b) => (b.loss < a.loss ? b : a));
    const done = events.at(-1);
    expect(done).toMatchObject({ type: "done", stopped: "early", interrupted: false, steps: 60 });
    expect(done).toMatchObject({ bestValLoss: best.loss, bestStep: best.step, valLoss: vals.at(-1)?.loss });
    expect(done?.step).toBe(best.step + 6);
    expect(vals.at(-1)?.step).toBe(best.step + 6);
    expect(saved).toEqual([best.step + 6]);
    expect(done && noteOf(done)).toBe(
      `stopped early: no validation was better than that after ${best.step} updates, ${best.loss.toFixed(6)}`,
    );
  });

  test("a delta asks for more than any fall", async () => {
    const events = await trainOnOthers(new Trainer(model, { learningRate: 1e-4 }), { earlyStopDelta: 1 });
    expect(events.at(-1)).toMatchObject({ stopped: "early", step: 6, bestStep: 0 });
  });

  test("the last update is the end, whatever the validation says", async () => {
    const events = await trainOnOthers(new Trainer(model, { learningRate: 0 }), { steps: 6 });
    expect(events.at(-1)).toMatchObject({ step: 6, stopped: undefined, interrupted: false });
  });

  test("without validation there is nothing to go by", async () => {
    await expect(trainOnOthers(new Trainer(model), { valLoader: undefined })).rejects.toThrow(UsageError);
    await expect(trainOnOthers(new Trainer(model), { valEvery: 0 })).rejects.toThrow(UsageError);
  });
});

test("overfitting makes every update on the first batches", async () => {
  const loader = new CountingBatches(B, T);
  const trainer = new Trainer(model, { learningRate: 1e-2, accumulate: 2 });
  const events = await collect(trainer.run(loader, { steps: 30, overfit: true }));
  expect(loader.used).toBe(2 * B * T);
  const losses = events.flatMap((event) => (event.type === "step" ? [event.loss] : []));
  expect(losses[29]).toBeLessThan(losses[0] - 1);
  // At a learning rate of 0 the loss would change only with the batches.
  const still = new Trainer(model, { learningRate: 0 });
  const same = await collect(still.run(new CountingBatches(B, T), { steps: 3, overfit: true }));
  expect(new Set(same.flatMap((event) => (event.type === "step" ? [event.loss] : []))).size).toBe(1);
});

describe("outliers", () => {
  /** The same batch always, but one of tokens that were never seen at step 140. */
  function withOutlier(): BatchSource {
    const usual = new CountingBatches(1, 4, 4);
    let step = 0;
    const next = async () => {
      const batch = await usual.next();
      if (step++ === 140)
        for (const tokens of [batch.inputs, batch.targets]) for (const i of tokens.keys()) tokens[i] += 99;
      return batch;
    };
    return { B: 1, T: 4, next, reset: () => usual.reset() };
  }

  test.each([
    [{ skipLossZ: 3 }, "loss", "skipping update due to loss z-score of"],
    [{ skipNormZ: 3 }, "norm", "skipping update due to grad z-score of"],
    [{ skipLossZ: 3, skipNormZ: 3 }, "loss", "skipping update due to loss z-score of"],
  ] as const)("with %o the update is not made", async (limits, why, words) => {
    const trainer = new Trainer(model, { learningRate: 1e-2, ...limits });
    const everything = async () => {
      const sets = [model.parameters.weights, ...Object.values(trainer.moments())];
      return Promise.all(sets.map(async (set) => bits(await readSet(backend, set))));
    };
    const steps: StepEvent[] = [];
    let before: string[] = [];
    for await (const event of trainer.run(withOutlier(), { steps: 142, sampleEvery: 0 })) {
      if (event.type !== "step") continue;
      steps.push(event);
      if (event.step === 139) before = await everything();
      if (event.step === 140) expect(await everything()).toEqual(before);
    }
    expect(await everything()).not.toEqual(before);
    expect(steps[140].skipped).toBe(why);
    expect(noteOf(steps[140])).toContain(words);
    expect(steps.filter(({ skipped }) => skipped)).toHaveLength(1);
    expect(trainer.step).toBe(142);
    // The first 128 fill the windows.
    expect(steps.findIndex(({ lossZ }) => lossZ !== undefined)).toBe(128);
    expect(steps.findIndex(({ normZ }) => normZ !== undefined)).toBe(128);
  });

  test("are trained on unless limits are set", async () => {
    const events = await collect(new Trainer(model, { learningRate: 1e-2 }).run(withOutlier(), { steps: 142 }));
    expect(events.some((event) => event.type === "step" && event.skipped)).toBe(false);
    expect(events.at(-1)).toMatchObject({ type: "done", skipped: 0 });
  });
});

test("the tokens of a total batch make up whole batches", () => {
  expect(batchesIn(64, 4, 16)).toBe(1);
  expect(batchesIn(192, 4, 16)).toBe(3);
  expect(() => batchesIn(200, 4, 16)).toThrow(UsageError);
  expect(() => batchesIn(200, 4, 16)).toThrow("B * T = 4 * 16 = 64. The nearest that can: 192 or 256.");
  expect(() => batchesIn(10, 4, 16)).toThrow("The nearest that can: 64.");
  expect(batchesIn(65536 * 32, 2, 16)).toBe(65536);
  const tooMany = () => batchesIn(100_000_000, 2, 16);
  expect(tooMany).toThrow(UsageError);
  expect(tooMany).toThrow(
    "is 3125000 batches of B * T = 2 * 16 = 32, and an update takes 65536 at most: 2097152 tokens.",
  );
});

describe("what cannot be trained", () => {
  test("a poisoned weight stops the run before the update", async () => {
    const trainer = new Trainer(model, { learningRate: 1e-2 });
    await collect(trainer.run(new CountingBatches(B, T), { steps: 2 }));
    await model.parameters.weights.write(backend, "fcw", 3, Float32Array.of(Number.NaN));
    const before = await weightBits();
    await expect(collect(trainer.run(new CountingBatches(B, T), { steps: 5 }))).rejects.toThrow(
      "In step 2 the loss is NaN, and the first tensor that is not finite is the weight fcw: it holds NaN at element 3. " +
        "The update was not made: the weights are those after 2 updates. Go back to a good checkpoint, and train with " +
        "a lower learning rate, with warm-up, or with gradient clipping (1.0 is usual).",
    );
    expect(await weightBits()).toBe(before);
    const validation = collect(
      trainer.run(new CountingBatches(B, T), { steps: 5, valLoader: new CountingBatches(B, T) }),
    );
    await expect(validation).rejects.toThrow(/validation loss is NaN/);
  });

  test("a gradient too large for a float stops it too", async () => {
    await backend.write(model.parameters.weights.lnf.weight, new Float32Array(8).fill(1e25));
    await expect(collect(new Trainer(model).run(new CountingBatches(B, T), { steps: 1 }))).rejects.toThrow(
      NotFiniteError,
    );
  });

  test("a batch that is shorter than it says", async () => {
    for (const part of ["inputs", "targets"] as const) {
      const loader = new CountingBatches(B, T);
      const next = loader.next.bind(loader);
      loader.next = async () => {
        const batch = await next();
        return { ...batch, [part]: batch[part].subarray(1) };
      };
      await expect(collect(new Trainer(model).run(loader, { steps: 1 }))).rejects.toThrow(
        new RegExp(`A batch has \\d+ inputs and \\d+ targets, expected B \\* T = ${B} \\* ${T} = ${B * T} of each`),
      );
    }
  });

  test("an eps that is 0 in single precision, and no batches for the last validation", async () => {
    for (const eps of [0, 1e-50]) expect(() => new Trainer(model, { eps })).toThrow(/eps is .*, expected a number/);
    new Trainer(model, { eps: 1e-40 });
    const run = new Trainer(model).run(new CountingBatches(B, T), {
      steps: 1,
      valLoader: new CountingBatches(B, T),
      finalValBatches: 0,
    });
    await expect(collect(run)).rejects.toThrow("finalValBatches is 0, expected a whole number of batches, 1 or more");
  });

  test("a state that cannot be", () => {
    const trainer = new Trainer(model);
    const state = trainer.state();
    trainer.restore(state);
    for (const damaged of [null, undefined, 7, [], {}])
      expect(() => trainer.restore(damaged as never)).toThrow(/^The trainer's state is damaged: /);
    for (const name of ["step", "batches", "losses", "norms", "skipped", "validationsSinceBest", "notFiniteInARow"])
      for (const part of [undefined, null, -1, "1", [], {}])
        expect(() => trainer.restore({ ...state, [name]: part } as never), name).toThrow(InputError);
    for (const losses of [
      { ...state.losses, values: [Number.NaN] },
      { ...state.losses, sum: undefined },
    ])
      expect(() => trainer.restore({ ...state, losses } as never)).toThrow("losses cannot be");
    expect(() => trainer.restore({ ...state, best: { loss: 1 } } as never)).toThrow("best cannot be");
    trainer.restore({ ...state, loss: null } as never); // JSON's NaN
  });

  test("tokens outside the vocabulary", async () => {
    const run = collect(new Trainer(model).run(new CountingBatches(B, T, 300), { steps: 100 }));
    await expect(run).rejects.toThrow(InputError);
    await expect(run).rejects.toThrow("The data holds token 256, and the model's vocabulary ends at 255 (V = 256).");
  });

  test("blocks longer than the model has positions", async () => {
    const loader = Object.assign(new CountingBatches(B, T), { T: 13 });
    const run = collect(new Trainer(model).run(loader, { steps: 1 }));
    await expect(run).rejects.toThrow(UsageError);
    await expect(run).rejects.toThrow("T = 13 tokens long, and this model has only 12 positions");
  });

  test("a run that does not fit into memory, before anything is allocated", async () => {
    const plan = { optimizer: true, train: { B, T, accumulate: 1 }, decode: { S: 12 } };
    const needed = memoryNeeded(backend, model.config, plan);
    backend.memoryLimit = needed - 1;
    const { allocations } = backend;
    await expect(collect(new Trainer(model).run(new CountingBatches(B, T), { steps: 1 }))).rejects.toThrow(MemoryError);
    expect(backend.allocations).toBe(allocations);
    backend.memoryLimit = needed;
    await collect(new Trainer(model).run(new CountingBatches(B, T), { steps: 1 }));
  });

  test("a warm-up that is longer than the run", async () => {
    const trainer = new Trainer(model, { schedule: "cosine", warmupSteps: 5 });
    const run = (steps: number) => collect(trainer.run(new CountingBatches(B, T), { steps }));
    await expect(run(4)).rejects.toThrow(UsageError);
    await expect(run(4)).rejects.toThrow("The warm-up is 5 updates long, and the run only 4");
    await run(5);
    // Updates that were made count: here they are 5 + 1.
    await run(1);
  });

  test("two runs at once", async () => {
    const trainer = new Trainer(model);
    const first = trainer.run(new CountingBatches(B, T), { steps: 3 });
    await first.next();
    await expect(collect(trainer.run(new CountingBatches(B, T), { steps: 1 }))).rejects.toThrow(/already running/);
    await expect(trainer.dispose()).rejects.toThrow(/still running/);
    await first.return();
    await collect(trainer.run(new CountingBatches(B, T), { steps: 1 }));
  });

  test.each([
    { learningRate: -1 },
    { learningRate: Number.NaN },
    { beta1: 1 },
    { beta2: -0.1 },
    { eps: -1 },
    { weightDecay: Infinity },
    { gradClip: -1 },
    { accumulate: 0 },
    { accumulate: 1.5 },
    { skipLossZ: -1 },
    { skipNormZ: Number.NaN },
    { warmupSteps: 1.5 },
    { finalFraction: 2 },
  ])("a trainer with %o", (options) => {
    expect(() => new Trainer(model, options)).toThrow(UsageError);
  });

  test.each([
    { steps: -1 },
    { steps: 1.5 },
    { steps: 1, valEvery: -1 },
    { steps: 1, earlyStop: -1 },
    { steps: 1, earlyStopDelta: -1 },
    { steps: 1, sampleTokens: Number.NaN },
  ])("a run with %o", async (options) => {
    await expect(collect(new Trainer(model).run(new CountingBatches(B, T), options))).rejects.toThrow(UsageError);
  });
});

test("nothing is allocated inside a step", async () => {
  const counts: number[] = [];
  const options = { steps: 3, valLoader: new CountingBatches(B, T), valEvery: 1, sampleEvery: 1, sampleTokens: 4 };
  for await (const _ of new Trainer(model).run(new CountingBatches(B, T), options)) counts.push(backend.allocations);
  expect(new Set(counts).size).toBe(1);
});

describe("options that nothing knows are refused, rather than their defaults taken", () => {
  const source = () => new CountingBatches(B, T);
  const invalid = (value: unknown) => value as never;

  test.each([
    [{ lr: 1 }, 'Trainer has no option "lr". It is called learningRate.'],
    [{ bogus: 1 }, 'Trainer has no option "bogus". Its options: learningRate, schedule,'],
    [{ learning_rate: 1 }, 'Trainer has no option "learning_rate". Did you mean "learningRate"?'],
    [{ steps: 1 }, 'Trainer has no option "steps". It is an option of Trainer.run.'],
    [{ batch: 1 }, 'Trainer has no option "batch". Its options:'],
    [[], "The options of Trainer are [], expected an object."],
    [{ optimizer: "" }, 'optimizer is "", expected one of adamw, muon.'],
    [{ learningRate: "1e-3" }, 'learningRate is "1e-3", expected a number, 0 or more.'],
    [{ schedule: ["cosine"] }, 'schedule is ["cosine"], expected one of'],
    [null, "The options of Trainer are null, expected an object."],
  ])("new Trainer(model, %o)", (options, message) => {
    expect(() => new Trainer(model, invalid(options))).toThrow(UsageError);
    expect(() => new Trainer(model, invalid(options))).toThrow(message);
  });

  test.each([
    [{}, "needs `steps`"],
    [undefined, "The options of Trainer.run are undefined"],
    [{ steps: 1, valLoaders: 1 }, 'Trainer.run has no option "valLoaders". Did you mean "valLoader"?'],
    [{ steps: 1, optimizer: "muon" }, 'Trainer.run has no option "optimizer". It is an option of Trainer.'],
    [{ steps: 1, learningRate: 1 }, 'Trainer.run has no option "learningRate". It is an option of Trainer.'],
    [{ steps: "" }, 'steps is "", expected a whole number of updates'],
    [{ steps: 1, signal: new AbortController() }, "signal is {}, expected an AbortSignal"],
    [{ steps: 1, samplePrompt: 5 }, "samplePrompt is 5, expected a text"],
    [{ steps: 1, checkpoint: 5 }, "checkpoint is 5, expected a function"],
    [{ steps: 1, signal: 5 }, "signal is 5, expected an AbortSignal"],
  ])("run(loader, %o)", async (options, message) => {
    const trainer = new Trainer(model);
    await expect(collect(trainer.run(source(), invalid(options)))).rejects.toThrow(UsageError);
    await expect(collect(trainer.run(source(), invalid(options)))).rejects.toThrow(message);
    await expect(collect(trainer.run(invalid(undefined), { steps: 1 }))).rejects.toThrow("needs a loader");
  });

  test.each([
    [
      Promise.resolve(source()),
      {},
      "The loader is a promise that was not awaited, expected a source of batches, as await",
    ],
    [5, {}, "The loader is 5, expected a source of batches"],
    [{ B: 1, T: 4 }, {}, "The loader has no function next, and so is no source of batches."],
    [source(), { valLoader: Promise.resolve(source()) }, "The valLoader is a promise that was not awaited"],
    [source(), { valLoader: { ...source(), next: source().next } }, "The valLoader has no function reset"],
  ])("run(%o, %o)", async (loader, options, message) => {
    const running = collect(new Trainer(model).run(invalid(loader), invalid({ steps: 1, ...options })));
    await expect(running).rejects.toThrow(UsageError);
    await expect(running).rejects.toThrow(message);
  });

  test("one loader to train and to validate on, which each validation would start over", async () => {
    const loader = source();
    const running = collect(new Trainer(model).run(loader, { steps: 1, valLoader: loader }));
    await expect(running).rejects.toThrow(UsageError);
    await expect(running).rejects.toThrow("The loader is the valLoader as well");
    expect(await collect(new Trainer(model).run(loader, { steps: 0, valLoader: loader, valBatches: 1 }))).toHaveLength(
      2,
    );
  });

  test.each([
    [undefined, "A batch is undefined, expected { inputs, targets }"],
    [{}, "The inputs of a batch are undefined, expected { inputs, targets }"],
    [{ inputs: new Int32Array(B * T), targets: new Uint16Array(B * T) }, "The targets of a batch are {"],
  ])("a batch %o", async (batch, message) => {
    const loader = { B, T, next: async () => invalid(batch), reset() {} };
    const running = collect(new Trainer(model).run(loader, { steps: 1 }));
    await expect(running).rejects.toThrow(InputError);
    await expect(running).rejects.toThrow(message);
  });

  test.each([null, {}, { ...alone, any: undefined }, { ...alone, rank: 2 }])("a group %o", (group) => {
    expect(() => new Trainer(model, {}, invalid(group))).toThrow(UsageError);
  });
});
