import type { GPT2 } from "../../api/gpt2.ts";
import type { Backend } from "../../backend/backend.ts";
import { createBackend } from "../../backend/create.ts";
import type { GPT2Config } from "../../model/config.ts";
import { memoryNeeded, requireMemory } from "../../model/memory.ts";
import { parameterCount } from "../../model/parameters.ts";
import { noteOf, type TrainEvent } from "../../train/events.ts";
import { RunFolder } from "../../train/run-folder.ts";
import { Trainer } from "../../train/trainer.ts";
import { createDisplay, type RunStart, type TrainDisplay } from "../display/display.ts";
import { short } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { chooseData, type DataChoice, type Loaders, openLoaders } from "./data.ts";
import { chooseModel, type ModelChoice } from "./model.ts";
import { nextCommands } from "./next-commands.ts";
import { seedsOf, settingsOf, type TrainFlags, type TrainSettings } from "./options.ts";
import { planUpdates, type Updates } from "./updates.ts";

/** Everything that a run needs, found and checked; the weights are not made yet. */
interface Run {
  readonly flags: TrainFlags;
  readonly settings: TrainSettings;
  readonly choice: ModelChoice;
  readonly config: GPT2Config;
  readonly data: DataChoice;
  readonly loaders: Loaders;
  readonly updates: Updates;
}

/** What `llm-ts train` does. */
export async function train(flags: TrainFlags): Promise<void> {
  const display = await createDisplay(flags.json ?? false);
  const interrupt = new Interrupt(() => display.end());
  try {
    const run = await prepareRun(flags, display);
    const backend = await createBackend(flags.backend, flags);
    try {
      await trainOn(backend, run, display, interrupt);
    } finally {
      await backend.dispose();
    }
  } finally {
    display.end();
    interrupt.dispose();
  }
}

/** Finds what the options name, and every mistake in them, before anything takes long. */
async function prepareRun(flags: TrainFlags, display: TrainDisplay): Promise<Run> {
  const choice = await chooseModel(flags);
  if (flags.out !== undefined) await RunFolder.check(flags.out);
  const data = await chooseData(flags, choice, (share) => display.progress("preparing tiny Shakespeare", share));
  const config = choice.configFor(data.tokenizer?.vocabSize ?? gpt2Vocabulary);
  const settings = settingsOf(flags, config.maxT);
  const loaders = await openLoaders(data, flags, settings, config.V);
  const updates = planUpdates(flags, settings, loaders);
  if (flags.warmup && settings.schedule === "constant")
    display.remark(
      "the constant schedule has no warm-up, as in llm.c: -u does nothing (-k linear -q 1 warms up and then stays)",
    );
  return { flags, settings, choice, config, data, loaders, updates };
}

const gpt2Vocabulary = 50257;

async function trainOn(backend: Backend, run: Run, display: TrainDisplay, interrupt: Interrupt): Promise<void> {
  const { flags, settings, choice, config, data, loaders, updates } = run;
  const { accumulate, steps, warmup } = updates;
  const { batch: B, block: T, sampleTokens } = settings;
  requireMemory(backend, config, {
    optimizer: true,
    train: { B, T, accumulate },
    decode: settings.sampleEvery > 0 ? { S: Math.min(config.maxT, sampleTokens) } : undefined,
  });
  const model = await choice.make(backend, config, data.tokenizer, {
    seed: seedsOf(flags).seed,
    onProgress: (share) => display.progress("making initial weights", share),
  });
  const folder =
    flags.out === undefined ? undefined : await RunFolder.create(flags.out, model, choice.name, record(run));
  const trainer = new Trainer(model, {
    learningRate: settings.lr,
    beta1: settings.beta1,
    beta2: settings.beta2,
    eps: settings.eps,
    weightDecay: settings.weightDecay,
    gradClip: settings.gradClip,
    accumulate,
    skipLossZ: settings.skipLossZ,
    skipNormZ: settings.skipNormZ,
    onNotFinite: settings.onNan,
    schedule: settings.schedule,
    warmupSteps: warmup,
    finalFraction: settings.finalLrFraction,
  });
  display.start(startOf(run, model, folder?.path));
  interrupt.finishFirst(() => display.remark(finishing(folder)));
  const events = trainer.run(loaders.train, {
    steps,
    overfit: settings.overfit,
    valLoader: loaders.val,
    valEvery: settings.valEvery,
    valBatches: settings.valBatches,
    finalValBatches: settings.finalValBatches,
    earlyStop: settings.earlyStop,
    earlyStopDelta: settings.earlyStopDelta,
    sampleEvery: settings.sampleEvery,
    sampleTokens: settings.sampleTokens,
    sampleSeed: seedsOf(flags).sampleSeed,
    checkpoint: folder && (() => folder.checkpoint(trainer)),
    checkpointEvery: settings.checkpointEvery,
    signal: interrupt.signal,
  });
  let last: TrainEvent | undefined;
  let saved = false;
  const report = async (event: TrainEvent) => {
    await folder?.record(event);
    display.event(event);
    const note = noteOf(event);
    if (note !== undefined) display.remark(note);
    saved ||= event.type === "checkpoint";
    last = event;
  };
  try {
    for await (const event of events) {
      // Without an update (-x 0) the model is saved as it was made: a start for another program, say.
      if (event.type === "done" && folder && !saved)
        await report({ type: "checkpoint", step: event.step, path: await folder.checkpoint(trainer) });
      await report(event);
    }
  } finally {
    await folder?.close();
  }
  const interrupted = last?.type === "done" && last.interrupted;
  display.end(nextCommands({ flags, tokenizer: model.tokenizer, folder: folder?.path, interrupted }));
  if (interrupted && interrupt.exitCode !== undefined) process.exitCode = interrupt.exitCode;
}

function finishing(folder: RunFolder | undefined): string {
  const saving = folder ? ", then saving the model" : "";
  return `finishing this step${saving}; once more (Ctrl-C) ends at once`;
}

/** What config.json keeps of a run, to repeat it. */
function record({ settings, updates, data, loaders, flags }: Run): Record<string, unknown> {
  return {
    data: { train: loaders.train.files, val: loaders.val?.files, name: data.name },
    run: { ...settings, ...updates, ...seedsOf(flags) },
  };
}

function startOf(
  { choice, settings, data, loaders, updates: { accumulate, steps } }: Run,
  model: GPT2,
  folder?: string,
): RunStart {
  const { config, backend } = model;
  const { batch: B, block: T } = settings;
  const parameters = parameterCount(config);
  const batchesIn = (tokens = 0) => Math.floor(tokens / (B * T));
  const val = loaders.val ? `, ${short(loaders.val.numTokens)} to validate` : "";
  return {
    config,
    parameters,
    activations: memoryNeeded(backend, config, { train: { B, T } }) / 4 - parameters,
    trainBatches: batchesIn(loaders.train.numTokens),
    valBatches: batchesIn(loaders.val?.numTokens),
    B,
    T,
    accumulate,
    steps,
    valEvery: loaders.val ? settings.valEvery : 0,
    sampleEvery: settings.sampleEvery,
    checkpointEvery: settings.checkpointEvery,
    finalValFactor: settings.finalValBatches / settings.valBatches,
    model: choice.name,
    data: `${data.name}: ${short(loaders.train.numTokens)} tokens to train on${val}`,
    device: backend.description,
    folder,
  };
}
