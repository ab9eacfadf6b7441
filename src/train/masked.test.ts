import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cpuBackends } from "../../test/backends.ts";
import { bits, collect, fixturePath, loadFixture, readSet } from "../../test/fixtures.ts";
import { localGroup } from "../../test/local-group.ts";
import { writeTokens } from "../../test/run-cli.ts";
import { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { TokenLoader } from "../data/loader.ts";
import { InputError } from "../errors.ts";
import { alone, type Group } from "../group/group.ts";
import type { TrainEvent } from "./events.ts";
import { Trainer } from "./trainer.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-"));
const file = join(folder, "train.bin");
const count = 2000;
beforeAll(() => writeTokens(file, count, 101));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes the mask of the tokens. */
function writeMask(counts: (token: number) => boolean, length = count): void {
  const header = new Int32Array(256);
  header.set([20261129, 1, length]);
  const mask = Uint8Array.from({ length }, (_, i) => Number(counts(i)));
  writeFileSync(join(folder, "train.mask"), Buffer.concat([Buffer.from(header.buffer), Buffer.from(mask.buffer)]));
}

/** Stretches of 1 to 16 tokens that count, and as many that do not: each batch has another share. */
const stretches = (i: number) => Math.floor(Math.sqrt(3 * i)) % 2 === 0;

interface Options {
  readonly B: number;
  readonly accumulate: number;
  readonly steps?: number;
  readonly valBatches?: number;
}

async function run(backend: Backend, { B, accumulate, steps = 6, ...options }: Options, group: Group = alone) {
  await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
  const loader = await TokenLoader.open(file, { B, T: 8, group });
  const valLoader = await TokenLoader.open(file, { B, T: 8, group });
  await using trainer = new Trainer(model, { learningRate: 1e-3, weightDecay: 0.1, gradClip: 1, accumulate }, group);
  const { valBatches = 12 / B / group.size } = options;
  const limits = { steps, sampleEvery: 0, valEvery: 3, valBatches, valLoader };
  const events = await collect(trainer.run(loader, limits));
  const weights = bits(await readSet(backend, model.parameters.weights));
  await loader.close();
  await valLoader.close();
  return { events, weights };
}

const numbers = (events: readonly TrainEvent[]) =>
  events.flatMap((event) =>
    event.type === "step" ? [event.loss, event.norm] : event.type === "val" ? [event.loss] : [],
  );

describe.each(cpuBackends)("%s", (name) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend(name, { threads: 2 });
  });
  afterAll(() => backend.dispose());
  beforeEach(() => writeMask(stretches));

  test("ten updates are PyTorch's with ignore_index", async () => {
    const { x, B, T } = await loadFixture("gpt2_tiny");
    const torch = JSON.parse(readFileSync(fixturePath("masked.json"), "utf8"));
    await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
    const batch = { inputs: x, targets: Int32Array.from(torch.targets) };
    const source = { B, T, reset: () => {}, next: async () => batch };
    await using trainer = new Trainer(model, { learningRate: 1e-3, beta2: 0.95, weightDecay: 0, gradClip: 1 });
    const events = await collect(trainer.run(source, { steps: 10, sampleEvery: 0 }));
    const steps = events.filter((event) => event.type === "step");
    // Losses of some units and norms of about ten, with the roundings of ten updates: as those without a mask (parity.test.ts).
    for (const [i, { loss, norm }] of steps.entries()) {
      expect(Math.abs(loss - torch.losses[i]), `loss ${i}`).toBeLessThan(1e-4);
      expect(Math.abs(norm / torch.norms[i] - 1), `norm ${i}`).toBeLessThan(1e-4);
    }
    expect(steps).toHaveLength(10);
  });

  test("a mean is over all tokens of a step that count, in whichever batch they lie", async () => {
    const whole = numbers((await run(backend, { B: 6, accumulate: 1 })).events);
    for (const [B, accumulate] of [
      [3, 2],
      [1, 6],
    ]) {
      const parts = numbers((await run(backend, { B, accumulate })).events);
      // As without a mask (accumulate.test.ts); means of batches' means would be off by percents.
      expect(parts).toHaveLength(whole.length);
      for (const [i, value] of parts.entries()) expect(Math.abs(value / whole[i] - 1)).toBeLessThan(1e-6);
    }
  });

  test("a mask of ones changes no bit", async () => {
    writeMask(() => true);
    const ones = await run(backend, { B: 2, accumulate: 3 });
    rmSync(join(folder, "train.mask"));
    const none = await run(backend, { B: 2, accumulate: 3 });
    expect(ones.weights).toBe(none.weights);
    expect(numbers(ones.events)).toEqual(numbers(none.events));
  });

  test("a step without a token that counts changes nothing", async () => {
    writeMask((i) => i > 100);
    const { events } = await run(backend, { B: 6, accumulate: 1, steps: 4, valBatches: 4 });
    const steps = events.flatMap((event) => (event.type === "step" ? [event] : []));
    expect(steps.map(({ skipped }) => skipped)).toEqual(["masked", "masked", undefined, undefined]);
    expect(steps[0].loss).toBeNaN();
    // Batches 0 and 1 hold tokens 1 to 96; the third is met by the weights as they were.
    const [first] = numbers(events.filter(({ type }) => type === "val"));
    expect(Number.isFinite(first)).toBe(true);
    expect(Number.isFinite(steps[2].loss)).toBe(true);
  });

  test("validation batches of which nothing counts are refused", async () => {
    writeMask((i) => i > 1500);
    await expect(run(backend, { B: 6, accumulate: 1 })).rejects.toThrow(
      /leaves no token to learn in its first 2 batches\. Validate on more batches/,
    );
  });
});

test("processes have the mean of all of them", async () => {
  writeMask(stretches);
  const backend = await createBackend("reference");
  const one = numbers((await run(backend, { B: 4, accumulate: 1 })).events);
  const members = await Promise.all(
    localGroup(4).map(async (group) => run(await createBackend("reference"), { B: 1, accumulate: 1 }, group)),
  );
  for (const { events, weights } of members) {
    expect(weights).toBe(members[0].weights);
    const found = numbers(events);
    expect(found).toHaveLength(one.length);
    for (const [i, value] of found.entries()) expect(Math.abs(value / one[i] - 1)).toBeLessThan(1e-6);
  }
});

test("a mask of other tokens is refused", async () => {
  writeMask(() => true, count - 1);
  const opened = TokenLoader.open(file, { B: 1, T: 8 });
  await expect(opened).rejects.toThrow(InputError);
  await expect(opened).rejects.toThrow(/train\.mask is the loss mask of 1999 tokens.*has 2000/);
});

test("a mask of zeros, and one that is missing where dataset.json has it, are refused", async () => {
  writeMask(() => false);
  await expect(TokenLoader.open(file, { B: 1, T: 8 })).rejects.toThrow(
    /train\.mask lets none of its 2000 tokens count, so that nothing would be learned.*prepare --chat conversations\.jsonl/,
  );
  rmSync(join(folder, "train.mask"));
  const train = { file: "train.bin", tokens: count, learned: 207 };
  writeFileSync(join(folder, "dataset.json"), JSON.stringify({ tokenizer: "gpt2", train }));
  for (const path of [folder, file]) {
    const opened = TokenLoader.open(path, { B: 1, T: 8 });
    await expect(opened).rejects.toThrow(InputError);
    await expect(opened).rejects.toThrow(/train\.mask does not exist.*of whose 2000 tokens 207 are learned/);
    await (await TokenLoader.open(path, { B: 1, T: 8, masked: false })).close();
  }
  writeFileSync(
    join(folder, "dataset.json"),
    JSON.stringify({ tokenizer: "gpt2", train: { ...train, learned: undefined } }),
  );
  await (await TokenLoader.open(folder, { B: 1, T: 8 })).close();
  rmSync(join(folder, "dataset.json"));
});

test("a loader marks targets that do not count, or leaves the mask out", async () => {
  writeMask((i) => i % 3 === 0);
  const sizes = { B: 1, T: 6 };
  const loader = await TokenLoader.open(file, sizes);
  const plain = await TokenLoader.open(file, { ...sizes, masked: false });
  expect([loader.masks, plain.masks]).toEqual([[join(folder, "train.mask")], []]);
  await loader.next();
  await plain.next();
  const [{ inputs, targets }, all] = [await loader.next(), await plain.next()];
  expect(inputs).toEqual(all.inputs);
  // Targets are tokens 7 to 12.
  expect([...targets]).toEqual([...all.targets].map((target, i) => ((i + 7) % 3 === 0 ? target : -1)));
  await loader.close();
  await plain.close();
});
