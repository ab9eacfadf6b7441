/** Time budgets by a clock of the test's own: every batch, checkpoint and reading of the clock takes a known time. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CountingBatches } from "../../test/counting-batches.ts";
import { bits, readSet } from "../../test/fixtures.ts";
import { localGroup } from "../../test/local-group.ts";
import { GPT2 } from "../api/gpt2.ts";
import { ReferenceBackend } from "../backend/reference/reference.ts";
import { UsageError } from "../errors.ts";
import { alone, type Group } from "../group/group.ts";
import { AgreedError } from "../group/together.ts";
import { makeConfig } from "../model/config.ts";
import type { TrainEvent } from "./events.ts";
import type { RunOptions } from "./options.ts";
import { settingsOf } from "./resolve.ts";
import { unlimitedSteps } from "./settings.ts";
import type { TrainerState } from "./state.ts";
import { Trainer } from "./trainer.ts";

const [B, T] = [2, 8];
const config = makeConfig({ maxT: 12, V: 32, L: 1, NH: 2, C: 8 });
/** Milliseconds. */
const takes = { batch: 100, valBatch: 10, checkpoint: 50 };

let now = 0;
beforeEach(() => {
  now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
});
afterEach(() => vi.restoreAllMocks());

class TimedBatches extends CountingBatches {
  readonly ms: number;

  constructor(ms: number) {
    super(B, T);
    this.ms = ms;
  }

  override async next() {
    now += this.ms;
    return super.next();
  }
}

interface Outcome {
  readonly events: readonly TrainEvent[];
  readonly state: TrainerState;
  readonly weights: string;
  readonly now: number;
}

/** A run of one trainer; `stopAfter`: of an update, where it is interrupted. */
async function run(
  options: Partial<RunOptions>,
  { from, stopAfter, group = alone }: { from?: TrainerState; stopAfter?: number; group?: Group } = {},
): Promise<Outcome> {
  const backend = new ReferenceBackend();
  await using model = await GPT2.create(config, { backend });
  await using trainer = new Trainer(model, { learningRate: 1e-3, schedule: "cosine", warmupShare: 0.05 }, group);
  if (from) trainer.restore(from);
  const stop = new AbortController();
  const checkpoint = async (step: number) => {
    now += takes.checkpoint;
    return `step ${step}`;
  };
  const valLoader = new TimedBatches(takes.valBatch);
  const limits = {
    steps: unlimitedSteps - trainer.step,
    valEvery: 5,
    valBatches: 2,
    finalValBatches: 5,
    sampleEvery: 0,
  };
  const events: TrainEvent[] = [];
  const loader = new TimedBatches(takes.batch);
  for await (const event of trainer.run(loader, {
    ...limits,
    valLoader,
    checkpoint,
    signal: stop.signal,
    ...options,
  })) {
    events.push(event);
    if (event.type === "step" && event.step === stopAfter) stop.abort();
  }
  return { events, state: trainer.state(), weights: bits(await readSet(backend, model.parameters.weights)), now };
}

const seconds = (count: number) => count / 60;
const ratesOf = ({ events }: Outcome) => events.flatMap((event) => (event.type === "step" ? event.learningRate : []));
const doneOf = ({ events }: Outcome) => {
  const done = events.at(-1);
  if (done?.type !== "done") throw new Error("the run did not end");
  return done;
};

test("the last validation takes a tenth of the time at most", async () => {
  const valLoader = new TimedBatches(takes.valBatch);
  const found = await run({ minutes: seconds(4), valLoader, finalValBatches: 1000 });
  expect(valLoader.used / (B * T)).toBe(400 / takes.valBatch);
  expect(doneOf(found).step).toBeGreaterThan(25);
  expect(found.now).toBeLessThanOrEqual(4000);
});

test("a run ends in time, its last validation and checkpoint included, and its schedule with it", async () => {
  const found = await run({ minutes: seconds(4) });
  const { step, steps, interrupted, stopped } = doneOf(found);
  expect([steps, interrupted, stopped]).toEqual([step, false, undefined]);
  expect(found.events.slice(-3).map(({ type }) => type)).toEqual(["val", "checkpoint", "done"]);
  // The first update waits for two batches. What is left at the end is no room for another one.
  const wanted = Math.floor((4000 - 200 - 50 - 50) / 100);
  expect(step).toBeGreaterThanOrEqual(wanted - 4);
  expect(step).toBeLessThanOrEqual(wanted);
  expect(found.now).toBeLessThanOrEqual(4000);
  expect(found.now).toBeGreaterThan(4000 - 2 * takes.batch);
  expect(found.state.usedUp).toBe(seconds(4));
  const rates = ratesOf(found);
  const peak = rates.indexOf(Math.max(...rates));
  expect(peak).toBeLessThanOrEqual(2);
  for (let i = peak + 1; i < rates.length; i++) expect(rates[i]).toBeLessThanOrEqual(rates[i - 1]);
  expect(rates[rates.length - 1]).toBeLessThan(1e-5);
});

test("updates may end it first", async () => {
  const found = await run({ minutes: seconds(4), steps: 7 });
  expect(doneOf(found)).toMatchObject({ step: 7, steps: 7, interrupted: false });
  expect(found.state.usedUp).toBeUndefined();
  // The last of 7 updates: 6/7 of the way down.
  expect(ratesOf(found)[6]).toBeLessThan(1e-4);
});

test("a resumed run has the rest of its time, and its schedule continues", async () => {
  const first = await run({ minutes: seconds(4) }, { stopAfter: 14 });
  expect(doneOf(first)).toMatchObject({ step: 15, interrupted: true });
  expect(first.state.usedUp).toBeUndefined();
  const spent = first.state.ms ?? 0;
  expect(spent).toBeGreaterThan(1600);
  // Time between the two starts counts nothing.
  now += 1e6;
  const before = now;
  const second = await run({ minutes: seconds(4) }, { from: JSON.parse(JSON.stringify(first.state)) });
  expect(doneOf(second).interrupted).toBe(false);
  expect(spent + second.now - before).toBeLessThanOrEqual(4000);
  expect(spent + second.now - before).toBeGreaterThan(4000 - 3 * takes.batch);
  expect(ratesOf(second)[0]).toBeLessThan(ratesOf(first)[14]);
  expect(ratesOf(second)[0]).toBeGreaterThan(4e-4);
  const third = await run({ minutes: seconds(4) }, { from: JSON.parse(JSON.stringify(second.state)) });
  expect(third.events.map(({ type }) => type)).toEqual(["done"]);
});

test("processes whose clocks differ decide alike", async () => {
  // Each reading of the clock finds it later: no two members read the same.
  vi.spyOn(performance, "now").mockImplementation(() => {
    now += 3;
    return now;
  });
  const [one, other] = await Promise.all(localGroup(2).map((group) => run({ minutes: seconds(10) }, { group })));
  expect(doneOf(one).step).toBeGreaterThan(3);
  expect(ratesOf(other)).toEqual(ratesOf(one));
  expect(other.weights).toBe(one.weights);
  expect(doneOf(other).step).toBe(doneOf(one).step);
});

test("a time that one update takes is refused, in all processes", async () => {
  await expect(run({ minutes: seconds(0.1) })).rejects.toThrow(UsageError);
  now = 0;
  // A validation of 20 ms and two batches; at the end, in a tenth of the time, one batch of 10 ms, and a checkpoint that takes next to nothing.
  await expect(run({ minutes: seconds(0.1) })).rejects.toThrow(
    /took 0\.22 s, and the whole run has 0\.00\d+ minutes \(0\.1 s\)\. Give it 0\.0058 minutes or more/,
  );
  const members = await Promise.allSettled(localGroup(2).map((group) => run({ minutes: seconds(0.1) }, { group })));
  for (const member of members) expect(member).toMatchObject({ status: "rejected", reason: expect.any(AgreedError) });
});

test("defaults of a run with a budget: no limit of updates, and the same share of warm-up", () => {
  const baby = settingsOf({ model: "baby", minutes: 5 }, 64);
  expect(baby).toMatchObject({
    steps: unlimitedSteps,
    warmupSteps: 0,
    warmupShare: 0.05,
    valEvery: 250,
    schedule: "cosine",
  });
  const chosen = settingsOf({ model: "baby", minutes: 5, warmupSteps: 7, steps: 100 }, 64);
  expect(chosen).toMatchObject({ steps: 100, warmupSteps: 7, warmupShare: 0 });
  expect(settingsOf({ depth: 4, minutes: 5 }, 256)).toMatchObject({
    steps: unlimitedSteps,
    warmupShare: 0.05,
    valEvery: 288,
  });
  expect(settingsOf({ model: "gpt2", minutes: 5 }, 1024)).toMatchObject({ warmupSteps: 0, warmupShare: 0 });
  expect(settingsOf({ model: "baby" }, 64)).toMatchObject({
    minutes: 0,
    steps: 2000,
    warmupSteps: 100,
    warmupShare: 0,
  });
});
