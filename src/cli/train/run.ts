import type { GPT2 } from "../../api/gpt2.ts";
import type { Backend } from "../../backend/backend.ts";
import { InputError } from "../../errors.ts";
import type { GPT2Config } from "../../model/config.ts";
import { memoryNeeded, requireMemory } from "../../model/memory.ts";
import { parameterCount } from "../../model/parameters.ts";
import { completeSteps } from "../../runs/checkpoint-list.ts";
import { Keeper } from "../../runs/keeper.ts";
import { type DataRecord, recordData } from "../../runs/record.ts";
import { history, isComplete, takeUp } from "../../runs/restore.ts";
import { RunFolder } from "../../runs/run-folder.ts";
import { noteOf, type TrainEvent } from "../../train/events.ts";
import { type Loaders, openLoaders } from "../../train/loaders.ts";
import { planUpdates, runOptions, settingsOf } from "../../train/resolve.ts";
import type { TrainSettings } from "../../train/settings.ts";
import { Trainer } from "../../train/trainer.ts";
import { createDisplay } from "../display/display.ts";
import { short } from "../display/text.ts";
import type { RunStart, TrainDisplay } from "../display/train-display.ts";
import { Interrupt } from "../interrupt.ts";
import { requireTokens } from "../options/data.ts";
import { outliveOutput, outputProblem, say } from "../output.ts";
import { requireCheckpointRoom } from "./checkpoint-space.ts";
import { chooseData } from "./data.ts";
import type { DataChoice } from "./default-data.ts";
import { chooseModel, fileModel, type ModelChoice } from "./model.ts";
import { nextCommands } from "./next-commands.ts";
import { type TrainFlags, typedOf } from "./options.ts";
import { alreadyComplete, type Continued, openRun, requireSameData } from "./resume.ts";

/** Everything that a run needs, found and checked; the weights are not made yet. */
interface Run {
  readonly flags: TrainFlags;
  readonly settings: TrainSettings;
  readonly choice: ModelChoice;
  readonly config: GPT2Config;
  readonly data: DataChoice;
  readonly loaders: Loaders;
  /** Where the run has a folder: its files, by their content. */
  readonly dataRecord?: DataRecord;
  /** The run that goes on. */
  readonly continued?: Continued;
}

/** What `llm-ts train` does, on a backend that may still be starting. */
export async function train(flags: TrainFlags, starting: Promise<Backend>): Promise<void> {
  const display = await createDisplay(flags.json ?? false);
  const interrupt = new Interrupt(() => display.end());
  try {
    const continued = flags.resume ? await openRun(flags, display.remark.bind(display)) : undefined;
    try {
      const run = await prepareRun(flags, display, continued);
      if (continued && (await isComplete(run, continued.folder, continued.checkpoint)))
        display.remark(alreadyComplete(run.settings, continued));
      else await trainWith(run, await starting, display, interrupt);
    } finally {
      await continued?.folder.close();
    }
  } finally {
    display.end();
    interrupt.dispose();
  }
}

/** Finds what the options name, and every mistake in them, before anything takes long. */
async function prepareRun(typed: TrainFlags, display: TrainDisplay, continued: Continued | undefined): Promise<Run> {
  const flags = continued?.flags ?? typed;
  const { modelName = "", checkpoint } = continued ?? {};
  if (!flags.headerless)
    for (const path of [flags.train, flags.val]) if (path !== undefined) await requireTokens(path, flags.model);
  const choice = await (checkpoint ? fileModel(modelName, checkpoint.model) : chooseModel(flags));
  if (flags.out !== undefined && !continued) await RunFolder.check(flags.out);
  const data = await chooseData(flags, choice, (share) => display.progress("preparing tiny Shakespeare", share));
  const config = choice.configFor(data.tokenizer?.vocabSize ?? gpt2Vocabulary);
  const chosen = settingsOf(flags, config.maxT);
  const loaders = await openLoaders({ ...data, headerless: flags.headerless }, chosen, config.V);
  const settings = planUpdates(flags, chosen, loaders);
  if (flags.warmupSteps && settings.schedule === "constant")
    display.remark(
      "the constant schedule has no warm-up, as in llm.c: -u does nothing (-k linear -q 1 warms up and then stays)",
    );
  if (flags.out !== undefined)
    await requireCheckpointRoom(flags.out, config, settings, settings.steps, display.remark.bind(display));
  const dataRecord = flags.out === undefined ? undefined : await recordData(data.name, loaders);
  if (continued && dataRecord)
    requireSameData(continued, dataRecord, flags.force ?? false, display.remark.bind(display));
  return { flags, settings, choice, config, data, loaders, dataRecord, continued };
}

const gpt2Vocabulary = 50257;

async function trainWith(run: Run, backend: Backend, display: TrainDisplay, interrupt: Interrupt): Promise<void> {
  const { config, settings } = run;
  const { batch: B, block: T, accumulate, sampleTokens, sampleEvery, seed } = settings;
  try {
    requireMemory(backend, config, {
      optimizer: true,
      train: { B, T, accumulate },
      decode: sampleEvery > 0 ? { S: Math.min(config.maxT, sampleTokens) } : undefined,
    });
    const model = await run.choice.make(backend, config, run.data.tokenizer, {
      seed,
      onProgress: (share) => display.progress("making initial weights", share),
    });
    const trainer = new Trainer(model, settings);
    const folder = await folderFor(run, trainer, display);
    try {
      await trainOn(trainer, run, folder, display, interrupt);
    } finally {
      await folder?.close();
    }
  } finally {
    await backend.dispose();
  }
}

/** The run's folder: a new one, or that of the run that goes on, with the trainer made what it was. */
async function folderFor(run: Run, trainer: Trainer, display: TrainDisplay): Promise<RunFolder | undefined> {
  const { flags, choice, continued } = run;
  const { model } = trainer;
  if (flags.out === undefined) return undefined;
  if (!continued) return RunFolder.create(flags.out, model, choice.name, record(run, trainer));
  const { folder, checkpoint } = continued;
  await takeUp(folder, checkpoint, trainer, display.remark.bind(display));
  await folder.begin(model, choice.name, record(run, trainer));
  return folder;
}

async function trainOn(
  trainer: Trainer,
  run: Run,
  folder: RunFolder | undefined,
  display: TrainDisplay,
  interrupt: Interrupt,
): Promise<void> {
  const { flags, settings, loaders } = run;
  const { model } = trainer;
  const keeper = folder && new Keeper(folder, trainer, settings, display.remark.bind(display));
  if (folder)
    outliveOutput((problem) =>
      say(`${problem}: the run goes on, and its numbers are in ${folder.file("metrics.jsonl")}`),
    );
  display.start(startOf(run, model, folder?.path));
  if (!folder) display.remark("nothing of this run will be kept: with -o runs/ it gets a folder for its model and log");
  interrupt.finishFirst(() => display.remark(finishing(folder)));
  const events = trainer.run(loaders.train, {
    ...runOptions(settings, loaders, trainer.step),
    checkpoint: keeper && (() => keeper.save()),
    signal: interrupt.signal,
  });
  let last: TrainEvent | undefined;
  const report = async (event: TrainEvent) => {
    await keeper?.record(event);
    display.event(event);
    const note = noteOf(event);
    if (note !== undefined) display.remark(note);
    last = event;
  };
  for await (const event of events) {
    // Without an update (-x 0) the model is saved as it was made: a start for another program, say.
    const isUnsaved = !keeper?.hasTried && !run.continued?.checkpoint;
    const path = event.type === "done" && isUnsaved ? await keeper?.save() : undefined;
    if (path !== undefined) await report({ type: "checkpoint", step: event.step, path });
    await report(event);
  }
  const interrupted = last?.type === "done" && last.interrupted;
  const saved = folder !== undefined && (await completeSteps(folder.path)).length > 0;
  display.end(nextCommands({ flags, tokenizer: model.tokenizer, folder: folder?.path, saved, interrupted }));
  if (keeper?.problem !== undefined) throw new InputError(`The end of the run could not be saved: ${keeper.problem}`);
  if (interrupted && interrupt.exitCode !== undefined) process.exitCode = interrupt.exitCode;
  else if (outputProblem() !== undefined) process.exitCode = 1;
}

function finishing(folder: RunFolder | undefined): string {
  const saving = folder ? ", then saving the model" : "";
  return `finishing this step${saving}; once more (Ctrl-C) ends at once`;
}

/** What config.json keeps of a run, to repeat and to continue it. */
function record({ settings: run, flags, dataRecord, continued }: Run, trainer: Trainer): Record<string, unknown> {
  return {
    cwd: process.cwd(),
    given: continued?.given ?? typedOf(flags),
    data: dataRecord,
    run,
    continued: continued && history(continued.folder, trainer, run, continued.changes),
  };
}

function startOf({ choice, settings, data, loaders }: Run, model: GPT2, folder?: string): RunStart {
  const { config, backend } = model;
  const { batch: B, block: T, accumulate, steps } = settings;
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
