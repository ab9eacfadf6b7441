import type { Backend } from "../src/backend/backend.ts";
import { Scorer } from "../src/eval/scorer.ts";
import type { GPT2Config } from "../src/model/config.ts";
import { Trainer } from "../src/train/trainer.ts";
import { CountingBatches } from "./counting-batches.ts";
import { bits, collect, randomModel, readSet } from "./fixtures.ts";

/** All that a model of this configuration computes on a backend: to be compared with what another backend does. */
export async function everything(backend: Backend, config: GPT2Config) {
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
