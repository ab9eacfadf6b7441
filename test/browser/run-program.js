// A run with a folder, as Node and a worker of a page make it alike.
import {
  findTokenizer,
  GPT2,
  makeConfig,
  prepareTinyshakespeare,
  RunFolder,
  restoreCheckpoint,
  TokenLoader,
  Trainer,
} from "llm-ts";

export function prepare(folder) {
  return prepareTinyshakespeare(folder, { tokenizer: "char" });
}

const options = { learningRate: 1e-3, weightDecay: 0.1, gradClip: 1 };

/**
 * Trains from the beginning, or from the newest checkpoint where `path` holds a run, until `steps` updates are made.
 * Gives where it began, and this call's losses by their step.
 */
export async function train(data, path, steps, checkpointEvery, onStep = () => {}) {
  const folder = (await RunFolder.holdsRun(path)) ? await RunFolder.open(path) : undefined;
  const checkpoint = await folder?.newestCheckpoint((step, problem) => {
    throw new Error(`the checkpoint of ${step} is damaged: ${problem}`);
  });
  const loader = await TokenLoader.open(data, { B: 4, T: 32, order: "shuffle" });
  const tokenizer = await findTokenizer(data);
  const config = makeConfig({ maxT: 32, V: tokenizer.vocabSize, L: 2, NH: 2, C: 32 });
  const threads = { threads: 2, kernel: "relaxed-6x8" };
  const model = checkpoint
    ? await GPT2.load(checkpoint.model, { ...threads, tokenizer })
    : await GPT2.create(config, { ...threads, tokenizer, seed: 42 });
  const trainer = new Trainer(model, options);
  if (checkpoint) await restoreCheckpoint(trainer, checkpoint);
  await folder?.goBackTo(checkpoint, trainer.state());
  const out = folder ?? (await RunFolder.create(path, model, "tiny"));
  const losses = {};
  const save = () => out.checkpoint(trainer);
  const plan = { steps: steps - trainer.step, checkpoint: save, checkpointEvery, sampleEvery: 10, sampleTokens: 16 };
  for await (const event of trainer.run(loader, plan)) {
    await out.record(event);
    if (event.type !== "step") continue;
    losses[event.step] = event.loss;
    onStep(event.step);
  }
  await out.close();
  await loader.close();
  await trainer.dispose();
  await model.dispose();
  return { from: checkpoint?.step ?? 0, losses, takenFrom: out.takenFrom?.who };
}
