// Run unchanged by both Node and the browser: no build step is involved.
import { GPT2, makeConfig, Trainer } from "llm-ts";

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
async function train(threads, kernel) {
  const config = makeConfig({ maxT: 32, V: 67, L: 2, NH: 3, C: 48 });
  const model = await GPT2.create(config, { threads, seed: 42, kernel });
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

export async function trainAndWrite(threads, kernel) {
  const { model, losses, norms } = await train(threads, kernel);
  const tokens = await write(model);
  const { description, threads: used, promises } = model.backend;
  await model.dispose();
  return { losses, norms, tokens, fma: promises.fma, threads: used, description };
}

export async function trainAndSave(path) {
  const { model } = await train(1);
  await model.save(path);
  await model.dispose();
}

export async function loadAndWrite(input) {
  const model = await GPT2.load(input, { threads: 1 });
  const tokens = await write(model);
  await model.dispose();
  return tokens;
}
