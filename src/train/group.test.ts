import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bits, fixturePath, readSet } from "../../test/fixtures.ts";
import { localGroup } from "../../test/local-group.ts";
import { writeTokens } from "../../test/run-cli.ts";
import { GPT2 } from "../api/gpt2.ts";
import { ReferenceBackend } from "../backend/reference/reference.ts";
import { createBackend } from "../backend/registry.ts";
import { TokenLoader } from "../data/loader.ts";
import type { DataOrder } from "../data/order.ts";
import { NotFiniteError } from "../errors.ts";
import { alone, type Group } from "../group/group.ts";
import type { TrainEvent } from "./events.ts";
import type { RunOptions } from "./options.ts";
import { requireSameWeights } from "./same-weights.ts";
import { Trainer } from "./trainer.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-"));
const file = join(folder, "train.bin");
beforeAll(() => writeTokens(file, 2000, 101));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const T = 8;
const rows = 12;
const options = { learningRate: 1e-3, weightDecay: 0.1, gradClip: 1, accumulate: 2 };

interface Outcome {
  readonly events: readonly TrainEvent[];
  readonly weights: string;
  readonly checkpoints: readonly number[];
}

/** A run of one member of a group: its own backend, model, loaders of `rows` / size rows, and trainer. */
async function member(
  group: Group,
  order: DataOrder,
  { stopAfter, ...run }: Partial<RunOptions> & { readonly stopAfter?: number },
): Promise<Outcome> {
  const backend = await createBackend("reference");
  await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
  const B = rows / group.size;
  const loader = await TokenLoader.open(file, { B, T, order, group });
  const valLoader = await TokenLoader.open(file, { B, T, group });
  await using trainer = new Trainer(model, options, group);
  const stop = new AbortController();
  const events: TrainEvent[] = [];
  const checkpoints: number[] = [];
  const checkpoint = async (step: number) => {
    checkpoints.push(step);
    return `step ${step}`;
  };
  const limits = { steps: 8, valEvery: 4, valBatches: 3, sampleEvery: 4, sampleTokens: 3, checkpointEvery: 3 };
  for await (const event of trainer.run(loader, { ...limits, valLoader, checkpoint, signal: stop.signal, ...run })) {
    events.push(event);
    if (event.type === "step" && event.step === stopAfter) stop.abort();
  }
  return { events, weights: bits(await readSet(backend, model.parameters.weights)), checkpoints };
}

const together = (size: number, order: DataOrder, run: Partial<RunOptions> & { stopAfter?: number } = {}) =>
  Promise.all(localGroup(size).map((group) => member(group, order, run)));

const numbers = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => {
    if (event.type === "step") return [event.loss, event.norm];
    return event.type === "val" ? [event.loss] : [];
  });

const typesOf = (events: readonly TrainEvent[]) => events.map(({ type, step }) => `${type} ${step}`);

describe.each(["file", "shuffle", "random"] as const)("order %s", (order) => {
  test.each([2, 4])("%s processes train as one does on the same batches", async (size) => {
    const one = await member(alone, order, {});
    const members = await together(size, order);
    for (const { events, weights } of members) {
      expect(weights).toBe(members[0].weights);
      const found = numbers(events);
      expect(found).toHaveLength(8 * 2 + 3);
      // Sums in another order, rounded by units of 2^-24, as in accumulate.test.ts.
      for (const [i, value] of numbers(one.events).entries()) expect(Math.abs(found[i] / value - 1)).toBeLessThan(1e-6);
    }
  });
});

test("NaN in one process stops all before the update, with one error", async () => {
  const outcomes = await Promise.allSettled(
    localGroup(2).map(async (group) => {
      const backend = new ReferenceBackend();
      const { mean } = backend;
      let calls = 0;
      // The loss of rank 1's third batch, which is of the second step.
      if (group.rank === 1)
        Object.assign(backend, {
          mean: (...args: Parameters<typeof mean>) => {
            mean(...args);
            if (++calls === 4) backend.fill(args[0], Number.NaN);
          },
        });
      await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
      const loader = await TokenLoader.open(file, { B: 2, T, group });
      const trainer = new Trainer(model, options, group);
      for await (const _ of trainer.run(loader, { steps: 4 })) {
      }
    }),
  );
  const reasons = outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason : undefined));
  for (const reason of reasons) {
    expect(reason).toBeInstanceOf(NotFiniteError);
    expect(reason.message).toBe(reasons[0].message);
  }
});

test("weights that have come to differ are not saved", async () => {
  const outcomes = await Promise.allSettled(
    localGroup(2).map(async (group) => {
      const backend = await createBackend("reference");
      await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
      if (group.rank === 1) await backend.write(model.parameters.weights.lnf.weight, Float32Array.of(7));
      await requireSameWeights(model, group, 12);
    }),
  );
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({
      status: "rejected",
      reason: { message: expect.stringMatching(/^After 12 updates the weights of rank 1 are not those of rank 0/) },
    });
});

test("only rank 0 writes samples and checkpoints", async () => {
  const one = await member(alone, "file", {});
  const [first, second] = await together(2, "file");
  expect(typesOf(first.events)).toEqual(typesOf(one.events));
  expect(first.checkpoints).toEqual([3, 6, 8]);
  expect(second.checkpoints).toEqual([]);
  const isShared = (event: string) => !/^(sample|checkpoint)/.test(event);
  expect(typesOf(second.events)).toEqual(typesOf(one.events).filter(isShared));
});

test("a stop that one process is asked for stops all of them after the same step", async () => {
  const groups = localGroup(3);
  const members = await Promise.all(
    groups.map((group) =>
      member(group, "file", { sampleEvery: 0, valEvery: 0, ...(group.rank === 1 && { stopAfter: 2 }) }),
    ),
  );
  // Step 2, after which it comes, is agreed on already.
  for (const { events } of members) expect(events.at(-1)).toMatchObject({ type: "done", step: 4, interrupted: true });
  expect(members[0].checkpoints).toEqual([3, 4]);
});
