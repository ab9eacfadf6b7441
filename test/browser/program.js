// Run unchanged by both Node and the browser: no build step is involved.
import { createBackend, GPT2, makeConfig, Trainer } from "llm-ts";

/** Batches of tokens that are the same everywhere. */
class Counting {
  B = 3;
  T = 29;
  #next = 7;
  reset() {
    this.#next = 7;
  }
  async next() {
    const inputs = new Int32Array(this.B * this.T);
    const targets = new Int32Array(this.B * this.T);
    for (let i = 0; i < inputs.length; i++) {
      inputs[i] = this.#next;
      this.#next = (this.#next * 5 + 3) % 67;
      targets[i] = this.#next;
    }
    return { inputs, targets };
  }
}

/** A tiny model of odd sizes, trained for a few steps: all numbers must be the same everywhere. */
async function train(options) {
  const config = makeConfig({ maxT: 32, V: 67, L: 2, NH: 3, C: 48 });
  const model = await GPT2.create(config, { ...options, seed: 42 });
  const trainer = new Trainer(model, { learningRate: 1e-3, weightDecay: 0.1, gradClip: 1 });
  const losses = [];
  const norms = [];
  for await (const event of trainer.run(new Counting(), { steps: 8, sampleEvery: 0 })) {
    if (event.type !== "step") continue;
    losses.push(event.loss);
    norms.push(event.norm);
  }
  await trainer.dispose();
  return { model, losses, norms };
}

async function write(model) {
  const tokens = [];
  for await (const token of model.generateTokens([1, 2, 3], { maxTokens: 20, seed: 1337 })) tokens.push(token);
  return tokens;
}

export function trainAndWrite(threads, kernel) {
  return trainAndWriteWith({ threads, kernel });
}

/** On the GPU, or where there is none on the software that takes its place. */
export async function trainAndWriteOnGpu() {
  const backend = await createBackend("webgpu", { fallbackAdapter: true });
  try {
    return await trainAndWriteWith({ backend });
  } finally {
    await backend.dispose();
  }
}

async function trainAndWriteWith(options) {
  const { model, losses, norms } = await train(options);
  const tokens = await write(model);
  const { description, threads: used, promises } = model.backend;
  await model.dispose();
  return { losses, norms, tokens, fma: promises.fma, threads: used, description };
}

export async function trainAndSave(path) {
  const { model } = await train({ threads: 1 });
  await model.save(path);
  await model.dispose();
}

export async function loadAndWrite(input) {
  const model = await GPT2.load(input, { threads: 1 });
  const tokens = await write(model);
  await model.dispose();
  return tokens;
}
