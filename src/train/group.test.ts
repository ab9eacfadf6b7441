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
import { InputError, NotFiniteError } from "../errors.ts";
import { alone, type Group } from "../group/group.ts";
import { makeConfig } from "../model/config.ts";
import { charTokenizerOf } from "../tokenizer/char.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { TrainEvent } from "./events.ts";
import type { RunOptions, TrainerOptions } from "./options.ts";
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

interface MemberOptions extends Partial<RunOptions>, Pick<TrainerOptions, "zeroStage" | "gradDtype" | "optimizer"> {
  readonly tokenizer?: Tokenizer;
  readonly stopAfter?: number;
}

/** A run of one member of a group: its own backend, model, loaders of `rows` / size rows, and trainer. */
async function member(
  group: Group,
  order: DataOrder,
  { stopAfter, tokenizer, zeroStage, gradDtype, optimizer, ...run }: MemberOptions,
): Promise<Outcome> {
  const backend = await createBackend("reference");
  await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend, tokenizer });
  const B = rows / group.size;
  const loader = await TokenLoader.open(file, { B, T, order, group });
  const valLoader = await TokenLoader.open(file, { B, T, group });
  await using trainer = new Trainer(model, { ...options, zeroStage, gradDtype, optimizer }, group);
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

const together = (size: number, order: DataOrder, run: MemberOptions = {}) =>
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

test.each([2, 4])("%s processes give the bits per byte of one, though rank 0 alone has a tokenizer", async (size) => {
  // Characters of one, two and three bytes.
  const characters = Array.from({ length: 101 }, (_, i) => String.fromCodePoint(0x60 + 37 * i)).join("");
  const tokenizer = charTokenizerOf(characters);
  const bitsPerByte = async (group: Group) => {
    const { events } = await member(group, "file", group.rank === 0 ? { tokenizer } : {});
    return events.flatMap((event) => (event.type === "val" || event.type === "done" ? [event.bitsPerByte ?? 0] : []));
  };
  const expected = await bitsPerByte(alone);
  expect(expected).toHaveLength(4);
  for (const found of await Promise.all(localGroup(size).map(bitsPerByte))) {
    expect(found).toHaveLength(4);
    for (const [i, value] of expected.entries()) expect(Math.abs(found[i] / value - 1)).toBeLessThan(1e-6);
  }
});

test.each([2, 3, 4])("moments shared out among %s processes change no bit", async (size) => {
  const [whole, parts] = await Promise.all([0, 1].map((zeroStage) => together(size, "file", { zeroStage })));
  for (const [i, { events, weights, checkpoints }] of parts.entries()) {
    expect(weights).toBe(whole[i].weights);
    expect(numbers(events)).toEqual(numbers(whole[i].events));
    expect(typesOf(events)).toEqual(typesOf(whole[i].events));
    expect(checkpoints).toEqual(whole[i].checkpoints);
  }
});

test("gradients that travel as bfloat16 give all processes the same weights, others than in float32", async () => {
  const [single, half] = await Promise.all(
    (["fp32", "bf16"] as const).map((gradDtype) => together(3, "file", { gradDtype, zeroStage: 1 })),
  );
  for (const { weights } of half) expect(weights).toBe(half[0].weights);
  expect(half[0].weights).not.toBe(single[0].weights);
  // The norm before the first update: each gradient is off by 2^-8 of its addends and of the sum.
  const norms = [single, half].map(([{ events }]) => numbers(events)[2]);
  expect(Math.abs(norms[1] / norms[0] - 1)).toBeLessThan(2 ** -6);
});

test.each([2, 4])("%s processes train by Muon as one does", async (size) => {
  const one = await member(alone, "file", { optimizer: "muon" });
  const members = await together(size, "file", { optimizer: "muon" });
  for (const { events, weights } of members) {
    expect(weights).toBe(members[0].weights);
    const found = numbers(events);
    // Five iterations multiply a rounding by 3.4 each in the directions that a gradient hardly has.
    for (const [i, value] of numbers(one.events).entries()) expect(Math.abs(found[i] / value - 1)).toBeLessThan(1e-5);
  }
});

test("a process alone has nobody to share its moments with", async () => {
  await expect(member(alone, "file", { zeroStage: 1 })).rejects.toThrow(
    "several processes share AdamW's moments out, and this is one",
  );
});

test.each(["fp32", "bf16"] as const)(
  "rank 0 reads and writes shared moments as one process has them, %s",
  async (precision) => {
    const config = makeConfig({ maxT: 16, V: 101, L: 2, NH: 2, C: 32 });
    const read = async (group: Group, zeroStage: number) => {
      const backend = await createBackend("reference");
      await using model = await GPT2.create(config, { backend });
      const loader = await TokenLoader.open(file, { B: 2, T, group });
      await using trainer = new Trainer(model, { ...options, zeroStage, precision }, group);
      for await (const _ of trainer.run(loader, { steps: 3, sampleEvery: 0 })) {
      }
      const used = backend.memoryUsed;
      const all = () =>
        trainer.inRank0(async () => {
          const { m, v } = trainer.moments();
          return [await readSet(backend, m), await readSet(backend, v)];
        });
      const before = await all();
      // Back again, but the other way round.
      await trainer.inRank0(async () => {
        const { m, v } = trainer.moments();
        for (const { name } of m.parameters) {
          await m.write(backend, name, 0, before?.[1][name] ?? new Float32Array());
          await v.write(backend, name, 0, before?.[0][name] ?? new Float32Array());
        }
      });
      return { used, weights: bits(await readSet(backend, model.parameters.weights)), before, after: await all() };
    };
    const [whole, parts] = await Promise.all(
      [0, 1].map((zeroStage) => Promise.all(localGroup(3).map((group) => read(group, zeroStage)))),
    );
    const [first, ...others] = parts;
    expect(first.before).toEqual(whole[0].before);
    expect(first.after).toEqual([first.before?.[1], first.before?.[0]]);
    for (const other of others) {
      expect(other.before).toBeUndefined();
      expect(other.weights).toBe(first.weights);
      expect(other.weights).toBe(whole[0].weights);
    }
    // Two of the moments' three thirds, but for the parts of small tensors, which begin at multiples of 64 bytes.
    const moments = 2 * Object.values(first.before?.[0] ?? {}).reduce((sum, { byteLength }) => sum + byteLength, 0);
    for (const { used } of parts)
      expect(Math.abs(whole[0].used - used - (2 / 3) * moments)).toBeLessThan(0.05 * moments);
  },
);

test("shared moments are read within the work of rank 0 alone", async () => {
  const outcomes = await Promise.allSettled(
    localGroup(2).map(async (group) => {
      const backend = await createBackend("reference");
      await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
      await using trainer = new Trainer(model, { zeroStage: 1 }, group);
      await trainer.moments().m.read(backend, "wte", 0, 1);
    }),
  );
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({
      reason: { message: expect.stringContaining("rank 0 alone reads and writes them") },
    });
});

test("where rank 0 fails in the middle of its work, all throw its error, and can go on", async () => {
  const outcomes = await Promise.all(
    localGroup(2).map(async (group) => {
      const backend = await createBackend("reference");
      await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
      await using trainer = new Trainer(model, { zeroStage: 1 }, group);
      const read = () => trainer.moments().m.read(backend, "wte", 0, 3);
      const failing = trainer.inRank0(async () => {
        await read();
        throw new InputError("no disk.");
      });
      const [problem] = await Promise.allSettled([failing]);
      return { problem, values: await trainer.inRank0(read) };
    }),
  );
  for (const { problem } of outcomes)
    expect(problem).toMatchObject({ reason: { message: "[rank 0 of 2 on here] no disk." } });
  expect(outcomes.map(({ values }) => values)).toEqual([new Float32Array(3), undefined]);
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
