// The whole graph under a GPU's limits: operands aligned to 256 bytes, results alone in their buffer, and buffers so small
// that the layers of a tensor are in several. The operations are the reference's, and so is every bit.
import { expect, test } from "vitest";
import { GPT2 } from "../src/api/gpt2.ts";
import type { Backend } from "../src/backend/backend.ts";
import { ReferenceBackend } from "../src/backend/reference/reference.ts";
import { MemoryError } from "../src/errors.ts";
import { Scorer } from "../src/eval/scorer.ts";
import { makeConfig } from "../src/model/config.ts";
import { requireMemory } from "../src/model/memory.ts";
import { Trainer } from "../src/train/trainer.ts";
import { CountingBatches } from "./counting-batches.ts";
import { bits, collect, randomModel, readSet } from "./fixtures.ts";

const config = makeConfig({ maxT: 10, V: 50, L: 5, NH: 2, C: 16 });

/** The largest tensor of it all: the logits of two sequences of 9 tokens. */
const buffer = 2 * 9 * 128 * 4;

async function everything(backend: Backend) {
  const model = await randomModel(backend, config);
  const trainer = new Trainer(model, { learningRate: 1e-2, weightDecay: 0.1, gradClip: 1, accumulate: 2 });
  const options = { steps: 3, valLoader: new CountingBatches(1, 7), valBatches: 2, sampleEvery: 0 };
  const events = await collect(trainer.run(new CountingBatches(2, 9), options));
  const { m, v } = trainer.moments();
  const sets = await Promise.all([model.parameters.weights, m, v].map((set) => readSet(backend, set)));
  const prompt = [1, 2, 3, 4];
  const scorer = new Scorer(model, config.maxT);
  return {
    losses: events.map((event) => ("loss" in event ? event.loss : undefined)),
    norms: events.map((event) => ("norm" in event ? event.norm : undefined)),
    sets: sets.map(bits),
    // More tokens than positions, so that all sequences are recomputed once.
    samples: await collect(model.generateSamples(prompt, { samples: 3, maxTokens: 12 })),
    llmc: await collect(model.generateTokens(prompt, { maxTokens: 4, llmc: true })),
    // Two of them begin alike.
    scores: await scorer.score([
      { tokens: [1, 2, 3, 4, 5], from: 2 },
      { tokens: [7, 2, 3, 9, 4], from: 3 },
      { tokens: [7, 2, 8, 5], from: 3 },
    ]),
  };
}

test("training, generating and scoring keep to the contract, in many buffers as in one", async () => {
  const strict = new ReferenceBackend({ alignment: 256, buffer });
  const { weights } = (await GPT2.create(config, { backend: strict })).parameters;
  const blocks = weights.entries.filter(({ parameter }) => parameter.name === "fcw").map(({ tensor }) => tensor);
  expect(blocks.map(({ size }) => size)).toEqual([2 * 64 * 16, 2 * 64 * 16, 64 * 16]);
  expect(await everything(strict)).toEqual(await everything(new ReferenceBackend()));
});

test("a model whose largest tensor no buffer can hold is refused before anything is allocated", () => {
  const plan = { optimizer: true, train: { B: 2, T: 9 } };
  requireMemory(new ReferenceBackend({ alignment: 256, buffer }), config, plan);
  const refused = (bytes: number) => () =>
    requireMemory(new ReferenceBackend({ alignment: 256, buffer: bytes }), config, plan);
  expect(refused(buffer - 4)).toThrow(MemoryError);
  expect(refused(buffer - 4)).toThrow(/in one piece, and a buffer of the reference backend can hold .* smaller batch/);
  expect(refused(128 * 16 * 4 - 4)).toThrow(/parameters alone take .* choose a smaller model/);
});
