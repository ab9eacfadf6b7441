/** `--resume`: the run in a folder, and its options merged with those given now. */
import { dirname, isAbsolute, resolve } from "node:path";
import { platform } from "#platform";
import type { BaseRecord } from "../../api/adapter-base.ts";
import { InputError, UsageError } from "../../errors.ts";
import type { Rank } from "../../group/group.ts";
import { pretrainedFile } from "../../model/config.ts";
import { isNoFolder } from "../../platform/glob.ts";
import { quoted } from "../../platform/quoted.ts";
import { recordedConfig } from "../../runs/checkpoint.ts";
import { namesOfRuns, runsIn, shortList } from "../../runs/node-run-list.ts";
import { type Computing, type GivenOptions, readRecord } from "../../runs/record.ts";
import { isOver, isStopped } from "../../runs/restore.ts";
import { RunFolder } from "../../runs/run-folder.ts";
import { openResumable, type PreparedRun, type Resumable } from "../../runs/start.ts";
import { derivedFrom } from "../../train/resolve.ts";
import { type RunChoices, type TrainSettings, unlimitedSteps } from "../../train/settings.ts";
import { suggestion } from "../suggest.ts";
import { describe, differingFlags, isSetting, refuse } from "./differing-flags.ts";
import { computingOf, type TrainFlags, typedOf } from "./options.ts";

/** A run to resume, and the options that count: the run's, with what is different now. */
export interface Resumed extends Resumable {
  readonly flags: TrainFlags;
  /** Of those, what was typed: for the record. */
  readonly given: GivenOptions;
  readonly modelName: string;
  /** The file to load: of its checkpoint, or the model that its adapter adapts; undefined: what `flags` say. */
  readonly modelFile?: string;
  /** Settings that are different from now on: "--lr: 0.001, now 0.0005". */
  readonly changes: readonly string[];
}

type Remark = (text: string) => void;

/** Opens the run in `--out` to continue it; undefined when there is none yet. The caller closes its folder. */
export async function openRun(flags: TrainFlags, group: Rank, remark: Remark): Promise<Resumed | undefined> {
  const path = await runPath(flags.out);
  if (isNoFolder(await platform.pathKind(path)))
    throw new InputError(`${path} is a file, where a run folder is expected. Give the folder of the run.`);
  if (!(await RunFolder.holdsRun(path))) {
    const others = await namesOfRuns(dirname(path));
    remark(`there is no run in ${path} to resume: starting one${others && ` (beside it there are ${others})`}`);
    return undefined;
  }
  const resumable = await openResumable(path, remark, await toBeginAgain(path), group);
  const { folder, checkpoint } = resumable;
  const { takenFrom } = folder;
  if (takenFrom) remark(`${takenFrom.who}, which had ${path} since ${takenFrom.started}, is gone`);
  try {
    const settled = await settle(resumable, flags, remark);
    remark(
      checkpoint
        ? `resuming ${path} after ${updates(checkpoint.step)}`
        : `${path} has no checkpoint to resume from: the run begins again`,
    );
    return { ...resumable, ...settled };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

/** How to begin the run in a folder again with nothing lost, if it has no whole checkpoint. */
async function toBeginAgain(path: string): Promise<string> {
  let kept = `${path}.kept`;
  for (let number = 2; (await platform.pathKind(kept)) !== undefined; number++) kept = `${path}.kept-${number}`;
  const move = process.platform === "win32" ? "move" : "mv";
  return (
    "Otherwise the run can only begin again: move what is left of it away, which loses nothing, then repeat the command that " +
    `began it:\n  ${move} ${quoted(path)} ${quoted(kept)}`
  );
}

/** Backend, kernel and BLAS that were chosen for the run in `out`, read before it is opened; none where there is no run yet. */
export async function givenComputing(out: string | undefined): Promise<Computing> {
  if (out === undefined) return {};
  const path = await runPath(out);
  const { config } = await recordedConfig(path);
  const { backend, kernel, blas } = config ? readRecord(path, config).given : {};
  return { ...(backend && { backend }), ...(kernel && { kernel }), ...(blas && { blas }) };
}

/**
 * The folder of one run, that is there or is to be. A slash at the end means a new folder inside, unless it was only typed
 * behind a run's name. UsageError for a folder of runs.
 */
async function runPath(out: string | undefined): Promise<string> {
  if (out === undefined) throw new UsageError("--resume resumes the run in a folder: name it with --out (-o).");
  const path = out.replace(/(?<=.)[/\\]+$/, "");
  if (await RunFolder.holdsRun(path)) return path;
  const runs = await runsIn(path);
  const readable = runs.filter(({ status }) => status !== "unreadable");
  const names = shortList(readable.length > 0 ? readable : runs);
  if (names !== "")
    throw new UsageError(`${out} is a folder of runs: give the one to resume to --out (the newest first): ${names}.`);
  if (path === out) return path;
  throw new UsageError(
    `${out} holds no run to resume, and the slash at its end asks for a new numbered folder inside. Leave out --resume (-y) ` +
      `to start a run there, or name its folder, such as ${out}mine.`,
  );
}

type Settled = Pick<Resumed, "flags" | "given" | "modelName" | "modelFile" | "changes">;

/** Merges the run's options with those given now. UsageError names each difference that is not accepted. */
async function settle(
  { folder, checkpoint, record, modelName = "model" }: Resumable,
  flags: TrainFlags,
  remark: Remark,
): Promise<Settled> {
  if (!record) {
    remark(
      `${folder.path} has no config.json: its files are llm.c's. Neither their checksums nor the data and settings of the ` +
        "run can be checked: those given now are used",
    );
    const { processes = 1, shuffled } = checkpoint ?? {};
    if (processes > 1)
      remark(
        `${processes} processes wrote it: its position in the data is one of batches of ${processes} x -b rows. Start as many, or ` +
          `one with ${processes} times the rows${shuffled ? "; all rows follow rank 0's order, where llm.c gave each its own" : ""}`,
      );
    const order = shuffled ? "shuffle" : "file";
    // llm.c removes none of its own unless it is asked to.
    const keepsAll = flags.keep === undefined && flags.keepEvery === undefined;
    if (keepsAll) remark("all of its checkpoints are kept, and those to come: --keep 2 keeps the last two");
    return {
      flags: { order, ...(keepsAll && { keep: 0 }), ...flags },
      given: typedOf(flags),
      modelName: flags.model ?? "llm.c's model",
      modelFile: checkpoint?.model,
      changes: [],
    };
  }
  const { given, run, cwd, base } = record;
  const found = differingFlags(flags, record, folder.config?.model);
  refuse(folder.path, found, flags.force ?? false);
  const changed = Object.fromEntries(found.map(({ name, now }) => [name, now]));
  if (changed.minutes === 0 && run.steps === unlimitedSteps && changed.steps === undefined)
    throw new UsageError(
      `Only --minutes ends the run in ${folder.path}, and it is turned off. Say after how many updates the run ends: --steps (-x).`,
    );
  const passing = Object.fromEntries(Object.entries(flags).filter(([name]) => !isSetting(name, record)));
  const model = (base && flags.model) ?? (await locate(given.model, cwd));
  const baseFile = base && flags.model === undefined ? await recordedBase(base, folder.path, model, remark) : undefined;
  if (base && baseFile === undefined && model !== undefined) await requireThere(folder.path, model, model);
  const paths = {
    train: flags.train ?? (await locate(given.train, cwd)),
    val: flags.val ?? (await locate(given.val, cwd)),
    model,
  };
  await requireData(folder.path, paths, flags);
  return {
    flags: { ...flags, ...given, ...withoutDerived(run, given, changed), ...passing, ...paths, ...changed },
    given: { ...given, ...paths, ...changed, ...computingOf(flags) },
    modelName,
    modelFile: base ? baseFile : checkpoint?.model,
    changes: found.map(describe),
  };
}

/** The file that a run adapts, as it is recorded; undefined where it is gone, and `model`, as it was typed, may lead to it. */
async function recordedBase(
  { path }: BaseRecord,
  folder: string,
  model: string | undefined,
  remark: Remark,
): Promise<string | undefined> {
  if ((await platform.pathKind(path)) === "file") return path;
  await requireThere(folder, path, model);
  remark(`${path}, the model that the run in ${folder} adapts, is not there: trying ${model}, by which it was named`);
  return undefined;
}

/** InputError where nothing is left of the `base` that a run adapts under the name `model`. */
async function requireThere(folder: string, base: string, model: string | undefined): Promise<void> {
  if (model !== undefined && (pretrainedFile(model) ?? (await platform.pathKind(model))) !== undefined) return;
  throw new InputError(
    `${base}, the model that the run in ${folder} adapts, is not there. Put it back, or say where it is now: ` +
      `${suggestion("train", "-o", folder, "--resume", "--model", "FILE")}`,
  );
}

/** InputError where data of a run is not there any more, by the name under which it was trained on. */
async function requireData(folder: string, { train, val }: RunChoices, typed: TrainFlags): Promise<void> {
  const named = [
    ["-i", typed.train, train, "TRAIN"],
    ["-j", typed.val, val, "VAL"],
  ] as const;
  const isGone = async (path: string | undefined) => path !== undefined && !(await leadsTo(path));
  const gone = await Promise.all(named.map(([, now, before]) => now === undefined && isGone(before)));
  const missing = named.filter((_, at) => gone[at]).map(([, , path]) => path);
  if (missing.length === 0) return;
  const options = named.flatMap(([option, now, , place], at) =>
    gone[at] ? [option, place] : now ? [option, now] : [],
  );
  throw new InputError(
    `${missing.join(" and ")}, with which the run in ${folder} was trained, ${missing.length > 1 ? "are" : "is"} not there. Put ` +
      `${missing.length > 1 ? "them" : "it"} back, or say what the place is now: ${suggestion("train", "-o", folder, "--resume", ...options)}`,
  );
}

/** The run's settings without those that were derived from one that is changed now: they are derived again. */
function withoutDerived(run: TrainSettings, given: GivenOptions, changed: RunChoices): RunChoices {
  const isOutdated = (name: string) =>
    Object.entries(derivedFrom).some(([derived, from]) => name === derived && from in changed) && !(name in given);
  return Object.fromEntries(Object.entries(run).filter(([name]) => !isOutdated(name)));
}

/** A path as it was typed in another folder; one that leads somewhere from here as well is taken as it is. */
async function locate(path: string | undefined, cwd: string): Promise<string | undefined> {
  if (path === undefined || isAbsolute(path) || cwd === process.cwd()) return path;
  if (await leadsTo(path)) return path;
  const there = resolve(cwd, path);
  return (await leadsTo(there)) ? there : path;
}

/** True if a path, or a glob, leads to something. */
async function leadsTo(path: string): Promise<boolean> {
  return (await platform.pathKind(path)) !== undefined || (await platform.listFiles(path)).length > 0;
}

/** Remark on a run of which nothing is left to do. UsageError where settings were changed, which would have no effect. */
export function alreadyComplete({ settings }: PreparedRun, { folder, checkpoint, changes }: Resumed): string {
  const { steps, earlyStop, minutes } = settings;
  const step = checkpoint?.step ?? 0;
  const stopped = checkpoint !== undefined && isStopped(settings, checkpoint);
  const isShort = step < steps;
  const isTimeUp = !stopped && checkpoint !== undefined && isOver(settings, checkpoint);
  const ended = isTimeUp ? `the time of --minutes ${minutes} is over` : `--early-stop ${earlyStop} ended it`;
  const why = (stopped || isTimeUp) && isShort ? `, and ${ended}` : "";
  const change = isTimeUp
    ? "a larger --minutes"
    : stopped
      ? `--early-stop 0 (or more than ${earlyStop})${isShort ? "" : " and a larger --steps (-x)"}`
      : "a larger --steps (-x)";
  const options = ["-x", String(steps), "--early-stop", "0", "--force"];
  const command = suggestion("train", "-o", folder.path, "--resume", ...options);
  const found =
    `The run in ${folder.path} is complete: ${updates(step)} ${step === 1 ? "was" : "were"} made${why}. ` +
    `For more, give ${change} with --force${stopped && isShort ? `:\n  ${command}` : "."}`;
  if (changes.length > 0)
    throw new UsageError(`No update is left to which ${changes.join("; ")} would apply. ${found}`);
  return found;
}

const updates = (count: number) => `${count} ${count === 1 ? "update" : "updates"}`;
