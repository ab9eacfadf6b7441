/** A trainer restored from weights, moments and state continues as the first one would have, bit for bit. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CountingBatches } from "../../test/counting-batches.ts";
import { bits, collect, fixturePath, readSet } from "../../test/fixtures.ts";
import { writeTokens } from "../../test/run-cli.ts";
import { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { TokenLoader } from "../data/loader.ts";
import type { DataOrder } from "../data/order.ts";
import { InputError, UsageError } from "../errors.ts";
import { tensorNames } from "../model/parameters.ts";
import type { TrainEvent } from "../train/events.ts";
import type { RunOptions, TrainerOptions } from "../train/options.ts";
import type { Moment } from "../train/shared-moments.ts";
import type { TrainerState } from "../train/state.ts";
import { Trainer } from "../train/trainer.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-"));
let backend: Backend;
beforeAll(async () => {
  // Two files of 12 and 7 batches: ten steps of two go through an epoch and a file's end.
  writeTokens(join(folder, "train_0.bin"), 200, 101);
  writeTokens(join(folder, "train_1.bin"), 120, 101);
  writeTokens(join(folder, "val.bin"), 100, 101);
  backend = await createBackend("wasm", { threads: 2 });
});
afterAll(async () => {
  await backend.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const steps = 10;
const options: TrainerOptions = {
  learningRate: 1e-2,
  weightDecay: 0.1,
  gradClip: 1,
  accumulate: 2,
  skipLossZ: 3,
  schedule: "cosine",
  warmupSteps: 2,
};

/** All that a checkpoint holds. */
interface Saved {
  readonly state: string;
  readonly sets: Record<"weights" | "m" | "v", Awaited<ReturnType<typeof readSet>>>;
}

/** A new model, trainer and loaders, as in a process that resumes from `saved`. */
async function begin(order: DataOrder, saved?: Saved) {
  const model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
  const loader = await TokenLoader.open(`${folder}/train_*.bin`, { B: 2, T: 8, order });
  const valLoader = await TokenLoader.open(join(folder, "val.bin"), { B: 2, T: 8 });
  const trainer = new Trainer(model, options);
  const sets: Record<keyof Saved["sets"], Moment> = { weights: model.parameters.weights, ...trainer.moments() };
  if (saved) {
    for (const name of ["weights", "m", "v"] as const)
      for (const tensor of tensorNames) await sets[name].write(backend, tensor, 0, saved.sets[name][tensor]);
    trainer.restore(JSON.parse(saved.state));
  }
  return {
    trainer,
    async save(): Promise<Saved> {
      const read = async (name: keyof Saved["sets"]) => readSet(backend, sets[name]);
      return {
        state: JSON.stringify({ ...trainer.state(), ms: 1000 }),
        sets: { weights: await read("weights"), m: await read("m"), v: await read("v") },
      };
    },
    run: (more: Partial<RunOptions> = {}) =>
      trainer.run(loader, {
        steps: steps - trainer.step,
        valLoader,
        valEvery: 3,
        valBatches: 2,
        sampleEvery: 2,
        sampleTokens: 6,
        ...more,
      }),
    async end() {
      await trainer.dispose();
      await model.dispose();
      await loader.close();
      await valLoader.close();
    },
  };
}

/** Events of a run, without times. */
function essence(events: readonly TrainEvent[]) {
  const kept = events.filter(({ type }) => type !== "done" && type !== "checkpoint");
  return kept.map((event) => (event.type === "step" ? { ...event, ms: 0, tokensPerSecond: 0 } : event));
}

async function straight(order: DataOrder) {
  const run = await begin(order);
  const events = await collect(run.run());
  const saved = await run.save();
  await run.end();
  return { events: essence(events), saved };
}

/** Resumes from `saved` and runs to the end. */
async function goOn(order: DataOrder, saved: Saved) {
  const run = await begin(order, saved);
  const events = await collect(run.run());
  const end = await run.save();
  await run.end();
  return { events: essence(events), saved: end };
}

const hash = ({ state, sets }: Saved) => [JSON.parse(state), ...Object.values(sets).map((set) => bits(set))];

describe.each(["file", "shuffle", "random"] as const)("%s order", (order) => {
  test("from every checkpoint of a run", async () => {
    const whole = await straight(order);
    const first = await begin(order);
    const saves: { readonly saved: Saved; readonly eventsBefore: number }[] = [];
    const events: TrainEvent[] = [];
    const checkpoint = async () => {
      saves.push({ saved: await first.save(), eventsBefore: essence(events).length });
      return "here";
    };
    for await (const event of first.run({ checkpoint, checkpointEvery: 1 })) events.push(event);
    await first.end();
    // To look on changes nothing.
    expect(essence(events)).toEqual(whole.events);
    expect(saves).toHaveLength(steps);
    for (const { saved, eventsBefore } of [saves[0], saves[3], saves[5], saves[8], saves[9]]) {
      const rest = await goOn(order, saved);
      expect(rest.events).toEqual(whole.events.slice(eventsBefore));
      expect(hash(rest.saved)).toEqual(hash(whole.saved));
    }
  });

  test.each(["val", "sample", "step"] as const)("from an interruption at a %s", async (kind) => {
    const whole = await straight(order);
    const first = await begin(order);
    const controller = new AbortController();
    const events: TrainEvent[] = [];
    let saved: Saved | undefined;
    const checkpoint = async () => {
      saved = await first.save();
      return "here";
    };
    // Update 5 is the sixth: validation and sample are due after it, and the interrupted run owes them.
    for await (const event of first.run({ checkpoint, signal: controller.signal })) {
      events.push(event);
      if (event.type === kind && event.step === (kind === "step" ? 5 : 6)) controller.abort();
    }
    await first.end();
    expect(events.at(-1)).toMatchObject({ type: "done", step: 6, interrupted: true });
    if (!saved) throw new Error("The interrupted run made no checkpoint.");
    const rest = await goOn(order, saved);
    expect([...essence(events), ...rest.events]).toEqual(whole.events);
    expect(hash(rest.saved)).toEqual(hash(whole.saved));
  });
});

/** Aborted as soon as it was asked so many times, which is between any two pieces of work. */
function abortedAfter(looks: number): AbortSignal {
  let seen = 0;
  return Object.defineProperty(new AbortController().signal, "aborted", { get: () => seen++ >= looks });
}

describe.each([
  // Three batches of a validation at least, tokens of a sample and an update each.
  ["to its last update", { earlyStop: 0 }, 15],
  ["until it stops early", { earlyStop: 1, earlyStopDelta: 100 }, 8],
  // Such a sample is made whole even where the run was interrupted before.
  ["with samples of one token", { sampleTokens: 1 }, 10],
])("from an interruption at any moment of a run %s", (_, options, least) => {
  const ways = { valEvery: 2, sampleEvery: 2, sampleTokens: 4, finalValBatches: 3, ...options };
  const last = 4;
  const withDone = (events: readonly TrainEvent[]) => [
    ...essence(events),
    ...events.flatMap((event) => (event.type === "done" ? { ...event, ms: 0 } : [])),
  ];

  test("every event, its end's too, and all that is known afterwards", async () => {
    const whole = await begin("file");
    const expected = withDone(await collect(whole.run({ steps: last, ...ways })));
    const end = await whole.save();
    await whole.end();
    let interruptions = 0;
    for (let looks = 0; ; looks++) {
      const first = await begin("file");
      const events = await collect(first.run({ steps: last, signal: abortedAfter(looks), ...ways }));
      const saved = await first.save();
      await first.end();
      const done = events.at(-1);
      if (done?.type === "done" && !done.interrupted) {
        // Nothing was left to interrupt.
        expect(withDone(events)).toEqual(expected);
        break;
      }
      interruptions++;
      const second = await begin("file", saved);
      const rest = await collect(second.run({ steps: last - second.trainer.step, ...ways }));
      expect([...essence(events), ...withDone(rest)], `after ${looks} looks`).toEqual(expected);
      expect(hash(await second.save())).toEqual(hash(end));
      await second.end();
    }
    expect(interruptions).toBeGreaterThan(least);
  });
});

test("a run that only had its last validation or sample to make is saved with it", async () => {
  const first = await begin("file");
  let looks = 0;
  const controller = new AbortController();
  const valLoader = new CountingBatches(2, 8);
  const next = valLoader.next.bind(valLoader);
  valLoader.next = async () => {
    // The fourth batch is the second of the last validation.
    if (++looks === 4) controller.abort();
    return next();
  };
  const ways = { valLoader, valEvery: 10, valBatches: 2, sampleEvery: 0 };
  const events = await collect(first.run({ steps: 2, signal: controller.signal, ...ways, finalValBatches: 3 }));
  expect(events.at(-1)).toMatchObject({ type: "done", step: 2, interrupted: true });
  const saved = await first.save();
  await first.end();
  const second = await begin("file", saved);
  const rest = await collect(second.run({ steps: 0, ...ways, checkpoint: async () => "here" }));
  expect(rest.map(({ type }) => type)).toEqual(["val", "checkpoint", "done"]);
  await second.end();
});

test("in the same process, the loader continues where the run was left", async () => {
  const whole = await straight("shuffle");
  const run = await begin("shuffle");
  const more = { sampleEvery: 0, valEvery: 0 };
  for await (const event of run.run(more)) if (event.type === "step" && event.step === 3) break;
  const rest = await collect(run.run(more));
  const losses = (events: readonly TrainEvent[]) => events.flatMap((e) => (e.type === "step" ? [e.loss] : []));
  expect(losses(rest)).toEqual(losses(whole.events).slice(4));
  await run.end();
});

test("a state is a copy", async () => {
  const run = await begin("file");
  const state = run.trainer.state();
  await collect(run.run({ steps: 2 }));
  expect(state.step).toBe(0);
  expect(state.losses.values).toEqual([]);
  await run.end();
});

test("what cannot be gone on from", async () => {
  const run = await begin("file");
  await collect(run.run({ steps: 2 }));
  const good = run.trainer.state();
  const damaged: Partial<TrainerState>[] = [
    { step: -1 },
    { batches: 0.5 },
    { sampler: "x" },
    { losses: { ...good.losses, values: [Number.NaN] } },
    { norms: { ...good.norms, oldest: 128 } },
  ];
  for (const change of damaged) expect(() => run.trainer.restore({ ...good, ...change })).toThrow(InputError);
  expect(run.trainer.state()).toEqual(good);
  run.trainer.restore(good);
  const cannotSeek = new CountingBatches(2, 8);
  await expect(collect(run.trainer.run(cannotSeek, { steps: 1 }))).rejects.toThrow(UsageError);
  const events = run.run();
  await events.next();
  expect(() => run.trainer.restore(good)).toThrow(/Wait for the run to end/);
  await events.return();
  await run.end();
});

test("the time of a resumed run counts from its beginning", async () => {
  const first = await begin("file");
  const half = await collect(first.run({ steps: 4 }));
  const saved = await first.save();
  await first.end();
  const second = await begin("file", saved);
  const rest = await collect(second.run());
  await second.end();
  const msOf = (events: readonly TrainEvent[]) => events.flatMap((event) => (event.type === "done" ? event.ms : []))[0];
  expect(msOf(half)).toBeLessThan(1000);
  // 1000 ms stand in what was saved.
  expect(msOf(rest)).toBeGreaterThan(1000);
});
