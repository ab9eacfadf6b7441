import { platform } from "#platform";
import type { Backend } from "../../backend/backend.ts";
import { fastestOf } from "../../backend/entry.ts";
import { defaultBackend, recallBlas, surveyBlas } from "../../backend/registry.ts";
import { InputError, LlmError, messageOf, UsageError } from "../../errors.ts";
import type { Group } from "../../group/group.ts";
import { together } from "../../group/together.ts";
import { memoryNeeded, memoryParts } from "../../model/memory.ts";
import { parameterCount } from "../../model/parameters.ts";
import { completeSteps } from "../../runs/checkpoint-list.ts";
import { followRun, requireSameRun, type SharedRun, sharedRun, startTogether } from "../../runs/group-start.ts";
import { metricsFile } from "../../runs/log.ts";
import type { RunFolder } from "../../runs/run-folder.ts";
import { RunSaver } from "../../runs/run-saver.ts";
import {
  discardRun,
  type PreparedRun,
  type RunHost,
  recordMovedBase,
  runEvents,
  type StartedRun,
} from "../../runs/start.ts";
import { noteOf, type TrainEvent } from "../../train/events.ts";
import { runMemory } from "../../train/plan.ts";
import type { Trainer } from "../../train/trainer.ts";
import { createDisplay } from "../display/display.ts";
import { short } from "../display/text.ts";
import type { RunStart, TrainDisplay } from "../display/train-display.ts";
import { type Membership, oncePerMachine } from "../group.ts";
import { Interrupt } from "../interrupt.ts";
import type { BackendFlags } from "../options/backend.ts";
import { outliveOutput, outputProblem, say } from "../output.ts";
import { suggestion } from "../suggest.ts";
import { defaultData, type Kind } from "./default-data.ts";
import { nextCommands } from "./next-commands.ts";
import type { TrainFlags } from "./options.ts";
import { prepare } from "./prepare.ts";
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
    resumed = flags.resume ? await openRun(flags, group, display.remark) : undefined;
    const prepared = await prepare(flags, display, resumed, group);
    if (resumed && prepared.run.isComplete) {
      const found = alreadyComplete(prepared.run, resumed);
      if (await recordMovedBase(prepared.run, { cwd: process.cwd(), remark: display.remark }))
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
      remark: display.remark,
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
      ? await TensorBoardLog.open(tensorboard, folder?.path, trainer.step, display.remark)
      : undefined;
  const saver = folder && new RunSaver(folder, trainer, settings, display.remark);
  if (folder)
    outliveOutput((problem) =>
      say(`${problem}: the run continues, and its numbers are in ${folder.file(metricsFile)}`),
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
  try {
    for await (const event of events) {
      const path = event.type === "done" ? await saveIfUnsaved(run, trainer, saver) : undefined;
      if (path !== undefined) await report({ type: "checkpoint", step: event.step, path });
      await report(event);
    }
  } catch (error) {
    if (error instanceof InputError && folder && run.group.size === 1)
      await saveBeforeEnd(folder, started, report, display.remark);
    throw error;
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
      tensorboard,
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

/**
 * Saves the updates of a run that its data ends, as an interruption does. Not those before a loss or gradient that is not
 * finite: from there it would be the same at any learning rate, and an earlier checkpoint is the one to resume from.
 */
async function saveBeforeEnd(
  folder: RunFolder,
  { trainer, settings: { keep, keepEvery } }: StartedRun,
  report: (event: TrainEvent) => Promise<void>,
  remark: (text: string) => void,
): Promise<void> {
  const { step } = trainer;
  try {
    if (step === 0 || (await completeSteps(folder.path)).includes(step)) return;
    const path = await folder.checkpoint(trainer, { keep, keepEvery });
    await report({ type: "checkpoint", step, path });
    remark(
      `step ${step} was saved before the run ended. Once the cause is mended, resume it: ${suggestion("train", "-o", folder.path, "--resume")}`,
    );
  } catch (error) {
    // What ended the run matters more.
    remark(`step ${step} could not be saved: ${messageOf(error)}`);
  }
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

/** A smaller gain is not worth other bits. */
const WORTHWHILE = 1.15;
/** Libraries are measured, in a second or two, after a run of so many milliseconds. */
const AFTER_MS = 60_000;
const NOTE = "blas-hint";

/**
 * Hint at a library of the system that would train faster: once on a machine, since speed is all that it is about. It goes by
 * what was measured before, or is measured after a run that took `ms`; undefined where there is none to give.
 */
async function blasHint(flags: BackendFlags, ms: number): Promise<string | undefined> {
  const { backend, threads, kernel, revectorize, blas } = flags;
  if (backend !== defaultBackend || blas !== "none" || (await platform.recall(NOTE)) !== undefined) return undefined;
  const options = { threads, kernel, revectorize };
  const kept = await recallBlas(options);
  const best = fastestOf(kept.length > 0 || ms < AFTER_MS ? kept : await surveyBlas(options), WORTHWHILE);
  if (!best) return undefined;
  const { name, trial } = best;
  await platform.remember(NOTE, JSON.stringify(name));
  return `--blas ${name} multiplies ${trial.gain.toFixed(2)} times as fast here, with other last bits (${trial.description})`;
}
