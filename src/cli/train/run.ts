import type { Backend } from "../../backend/backend.ts";
import { tokenFilesOf } from "../../data/loader.ts";
import { InputError, LlmError, UsageError } from "../../errors.ts";
import type { Group } from "../../group/group.ts";
import { together } from "../../group/together.ts";
import { type GPT2Config, withVocabulary } from "../../model/config.ts";
import { adapterCount } from "../../model/lora.ts";
import { memoryNeeded, memoryParts } from "../../model/memory.ts";
import { parameterCount } from "../../model/parameters.ts";
import { completeSteps } from "../../runs/checkpoint-list.ts";
import { followRun, requireSameRun, type SharedRun, sharedRun, startTogether } from "../../runs/group-start.ts";
import { RunFolder } from "../../runs/run-folder.ts";
import { RunSaver } from "../../runs/run-saver.ts";
import {
  discardRun,
  type PreparedRun,
  prepareRun,
  type RunHost,
  type RunRequest,
  recordMovedBase,
  runEvents,
  type StartedRun,
} from "../../runs/start.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { describeDepth } from "../../train/depth.ts";
import { noteOf, type TrainEvent } from "../../train/events.ts";
import { loraOf } from "../../train/lora-options.ts";
import { idleOptions } from "../../train/needs.ts";
import { runMemory } from "../../train/plan.ts";
import { resolved } from "../../train/resolve.ts";
import type { RunChoices } from "../../train/settings.ts";
import type { Trainer } from "../../train/trainer.ts";
import { createDisplay } from "../display/display.ts";
import { short } from "../display/text.ts";
import type { RunStart, TrainDisplay } from "../display/train-display.ts";
import { type Membership, oncePerMachine } from "../group.ts";
import { Interrupt } from "../interrupt.ts";
import { requireTokens } from "../options/data.ts";
import { idleError, idleText } from "../options/typed.ts";
import { outliveOutput, outputProblem, say } from "../output.ts";
import { blasHint } from "./blas-hint.ts";
import { requireCheckpointRoom } from "./checkpoint-space.ts";
import { chooseData, defaultData, hasValidation, type Kind } from "./data.ts";
import { baseOf, chooseModel, fileModel, requireAdaptable } from "./model.ts";
import { nextCommands } from "./next-commands.ts";
import { longFlag, type TrainFlags, typedOf } from "./options.ts";
import { alreadyComplete, openRun, type Resumed } from "./resume.ts";
import { TensorBoardLog } from "./tensorboard.ts";

/** `llm-ts train` in a member of a group, on a backend that may still be starting. */
export async function train(flags: TrainFlags, starting: Promise<Backend>, member: Membership): Promise<void> {
  const { group } = member;
  const display = await createDisplay(flags.json ?? false, group);
  const interrupt = new Interrupt(() => display.end());
  let resumed: Resumed | undefined;
  /** Of rank 0: everything that is read from disk but token files. */
  const lead = async () => {
    resumed = flags.resume ? await openRun(flags, group, display.remark.bind(display)) : undefined;
    const prepared = await prepare(flags, display, resumed, group);
    if (resumed && prepared.run.isComplete) {
      const found = alreadyComplete(prepared.run, resumed);
      if (await recordMovedBase(prepared.run, { cwd: process.cwd(), remark: display.remark.bind(display) }))
        display.remark(
          `${resumed.folder.path} has it recorded that the model it adapts is now ${prepared.run.base?.path}`,
        );
      display.remark(found);
    }
    return prepared;
  };
  try {
    // Processes meet in one order: what a backend that starts compares comes before what follows.
    if (group.size > 1) await starting;
    const led = await together(group, async () => (group.rank === 0 ? lead() : undefined));
    const shared = await group.broadcast(led && { ...sharedRun(led.run), kind: led.kind });
    if (!shared || shared.isComplete) return;
    const run = await oncePerMachine(member, async () => led?.run ?? follow(shared, shared.kind, group));
    await requireSameRun(run);
    await trainWith(run, shared.isRestored, flags, await starting, display, interrupt, member);
  } finally {
    await resumed?.folder.close();
    display.end();
    interrupt.dispose();
  }
}

/** The run as rank 0 prepared it, with this machine's own tiny Shakespeare where that is the data. */
async function follow(shared: SharedRun, kind: Kind | undefined, group: Group): Promise<PreparedRun> {
  const { train, val } = kind ? await defaultData(kind, () => {}) : shared.data;
  return followRun({ ...shared, data: { ...shared.data, train, val } }, group);
}

/** Finds what the options name, and every mistake in them, before anything takes long. */
async function prepare(
  typed: TrainFlags,
  display: TrainDisplay,
  resumed: Resumed | undefined,
  group: Group,
): Promise<{ readonly run: PreparedRun; readonly kind: Kind | undefined }> {
  const flags = resumed?.flags ?? typed;
  const { out, headerless, force } = flags;
  if (force && !flags.resume)
    throw new UsageError(
      "--force has no effect here: it is for --resume (-y), to which it allows other settings or data, and a new run replaces " +
        "no other. Leave it out.",
    );
  if (out !== undefined && !resumed) await RunFolder.requireVacant(out);
  if (!headerless)
    for (const path of [flags.train, flags.val]) if (path !== undefined) await requireTokens(path, flags.model);
  await refuseWithoutEffect(typed, flags, resumed?.record?.given, group, display.remark.bind(display));
  // Without validations nothing else looks for it.
  if (typed.val !== undefined) await tokenFilesOf(typed.val, "val");
  const isAdapting = flags.loraRank !== undefined && flags.loraRank > 0;
  const choice = await (resumed?.modelFile === undefined
    ? chooseModel(flags)
    : fileModel(resumed.modelName, resumed.modelFile));
  if (out !== undefined && !resumed) await RunFolder.check(out);
  if (flags.tensorboard !== undefined) await TensorBoardLog.check(flags.tensorboard);
  const data = await chooseData(flags, choice, (share) => display.progress("preparing tiny Shakespeare", share));
  const config = withChatTokens(choice.configFor(data.tokenizer?.vocabSize ?? gpt2Vocabulary), data.tokenizer);
  // That of a resumed run is compared with the recorded one.
  if (isAdapting && !resumed) requireAdaptable(choice, config);
  const base = isAdapting ? baseOf(flags.model, choice) : undefined;
  const request: RunRequest = {
    model: { name: choice.name, config, file: choice.file, base, tokenizer: data.tokenizer },
    data,
    given: resumed?.given ?? typedOf(flags),
    choices: flags,
    resumed: resumed && {
      ...resumed,
      otherData: force
        ? (reason) => display.remark(`${reason}. It resumes nevertheless, because of --force`)
        : "Bring the old data back, or add --force to resume with the data as it is.",
    },
    isKept: out !== undefined,
  };
  const run = await prepareRun(request, group);
  const { settings } = run;
  if (flags.depth !== undefined) display.remark(describeDepth(flags.depth, config, settings, group.size));
  const lora = loraOf(settings, config);
  const trained = lora ? adapterCount(config, lora) : parameterCount(config);
  if (lora)
    display.remark(
      `training an adapter of rank ${lora.rank}, alpha ${lora.alpha}, on ${lora.targets.join(", ")}: ${short(trained)} numbers; ` +
        `the ${short(parameterCount(config))} of ${choice.name} stay as they are, in ${settings.weights}`,
    );
  if (out !== undefined)
    await requireCheckpointRoom(out, trained, settings, settings.steps, display.remark.bind(display));
  return { run, kind: data.kind };
}

/**
 * UsageError for options that were typed and have no effect beside those that count, `flags`; a remark where what would give
 * them one was turned off by another option.
 */
async function refuseWithoutEffect(
  typed: TrainFlags,
  flags: TrainFlags,
  before: RunChoices | undefined,
  { size }: Group,
  remark: (text: string) => void,
): Promise<void> {
  const idle = idleOptions(typed, {
    settings: resolved(flags, size),
    hasData: flags.train !== undefined,
    hasVal: await hasValidation(flags),
    isKept: flags.out !== undefined,
    processes: size,
    before,
  });
  for (const { options, isMeant, why, instead } of idle) {
    const flags = options.map(longFlag);
    if (!isMeant) throw idleError(flags, why, instead);
    remark(idleText(flags, why).replace(/\.$/, ""));
  }
}

const gpt2Vocabulary = 50257;

/** A model's configuration, with room for the special tokens of conversations that it has not met before. */
function withChatTokens(config: GPT2Config, { turnEnd = -1, vocabSize }: Partial<Tokenizer> = {}): GPT2Config {
  return vocabSize !== undefined && turnEnd >= config.V ? withVocabulary(config, vocabSize) : config;
}

async function trainWith(
  run: PreparedRun,
  isRestored: boolean,
  flags: TrainFlags,
  backend: Backend,
  display: TrainDisplay,
  interrupt: Interrupt,
  member: Membership,
): Promise<void> {
  const start = performance.now();
  try {
    const host: RunHost = {
      backend,
      out: flags.out,
      cwd: process.cwd(),
      onProgress: (share) => display.progress("making initial weights", share),
      remark: display.remark.bind(display),
    };
    const started = await startTogether(run, host, isRestored);
    try {
      member.watch();
      await trainOn(started, run, flags.tensorboard, display, interrupt, member.launchedBy);
    } catch (error) {
      const { folder } = started;
      if (error instanceof LlmError && folder && (await completeSteps(folder.path)).length === 0) {
        // Refused, as by a time budget shorter than the first update: nothing of it is worth keeping.
        if (error instanceof UsageError && !run.resumed && started.trainer.step <= 1)
          await discardRun(started, run, host.cwd);
        else
          display.remark(
            `${folder.path} has no checkpoint yet: train there again with -y --force, or choose another folder`,
          );
      }
      throw error;
    } finally {
      await started.folder?.close();
    }
  } finally {
    await backend.dispose();
  }
  const isSilent = interrupt.signal.aborted || run.group.rank > 0;
  const hint = isSilent ? undefined : await blasHint(flags, performance.now() - start);
  if (hint !== undefined) say(`hint: ${hint}`);
}

async function trainOn(
  started: StartedRun,
  run: PreparedRun,
  tensorboard: string | undefined,
  display: TrainDisplay,
  interrupt: Interrupt,
  launchedBy: string | undefined,
): Promise<void> {
  const { trainer, folder, settings } = started;
  const { model } = trainer;
  const board =
    tensorboard !== undefined && run.group.rank === 0
      ? await TensorBoardLog.open(tensorboard, folder?.path, trainer.step, display.remark.bind(display))
      : undefined;
  const saver = folder && new RunSaver(folder, trainer, settings, display.remark.bind(display));
  if (folder)
    outliveOutput((problem) =>
      say(`${problem}: the run continues, and its numbers are in ${folder.file("metrics.jsonl")}`),
    );
  display.start(startOf(run, trainer, folder?.path));
  if (!folder) display.remark("nothing of this run will be kept: with -o runs/ it gets a folder for its model and log");
  interrupt.finishFirst(() => display.remark(finishing(folder)));
  const checkpoint = run.isKept ? async () => saver?.save() : undefined;
  const events = runEvents(started, { checkpoint, signal: interrupt.signal });
  let last: TrainEvent | undefined;
  const report = async (event: TrainEvent) => {
    await saver?.record(event);
    await board?.record(event);
    display.event(event);
    const note = noteOf(event);
    if (note !== undefined) display.remark(note);
    last = event;
  };
  for await (const event of events) {
    const path = event.type === "done" ? await saveIfUnsaved(run, trainer, saver) : undefined;
    if (path !== undefined) await report({ type: "checkpoint", step: event.step, path });
    await report(event);
  }
  const interrupted = last?.type === "done" && last.interrupted;
  const saved = folder !== undefined && (await completeSteps(folder.path)).length > 0;
  display.end(
    nextCommands({
      train: run.choices.train,
      tokenizer: model.tokenizer,
      folder: folder?.path,
      saved,
      interrupted,
      launchedBy,
    }),
  );
  await together(run.group, async () => {
    if (saver?.problem !== undefined) throw new InputError(`The end of the run could not be saved: ${saver.problem}`);
  });
  const exitCode = Math.max(...(await run.group.gather(interrupt.exitCode ?? 0)));
  if (interrupted && exitCode > 0) process.exitCode = exitCode;
  else if (outputProblem() !== undefined) process.exitCode = 1;
}

/** Without an update (-x 0) the model is saved as it was made: as a start for another program. */
async function saveIfUnsaved(
  { group, resumed }: PreparedRun,
  trainer: Trainer,
  saver: RunSaver | undefined,
): Promise<string | undefined> {
  const isUnsaved = await group.broadcast(saver !== undefined && !saver.hasTried && !resumed?.checkpoint);
  return isUnsaved ? trainer.inRank0(async () => saver?.save()) : undefined;
}

function finishing(folder: RunFolder | undefined): string {
  const saving = folder ? ", then saving the model" : "";
  return `finishing this step${saving}; once more (Ctrl-C) ends at once`;
}

function startOf(
  { model: source, settings, data, loaders, group }: PreparedRun,
  trainer: Trainer,
  folder?: string,
): RunStart {
  const { config, backend } = trainer.model;
  const { batch: B, block: T, accumulate, steps, minutes } = settings;
  const parameters = parameterCount(config);
  const batchesIn = (tokens = 0) => Math.floor(tokens / (group.size * B * T));
  const val = loaders.val ? `, ${short(loaders.val.numTokens)} to validate` : "";
  return {
    config,
    parameters,
    activations: memoryNeeded(backend, config, { train: { B, T } }) / 4 - parameters,
    memory: memoryParts(backend, config, runMemory(config, settings, group)),
    trainBatches: batchesIn(loaders.train.numTokens),
    valBatches: batchesIn(loaders.val?.numTokens),
    B,
    T,
    accumulate,
    steps,
    ...(minutes > 0 && { minutes, budget: Math.max(0, minutes * 60_000 - (trainer.state().ms ?? 0)) }),
    valEvery: loaders.val ? settings.valEvery : 0,
    sampleEvery: settings.sampleEvery,
    checkpointEvery: settings.checkpointEvery,
    finalValFactor: settings.finalValBatches / settings.valBatches,
    model: source.name,
    data: `${data.name}: ${short(loaders.train.numTokens)} tokens to train on${val}`,
    device: backend.description,
    folder,
  };
}
