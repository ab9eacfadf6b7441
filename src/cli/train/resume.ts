/** `--resume`: the run in a folder, and its options merged with those given now. */
import { dirname, isAbsolute, resolve } from "node:path";
import { platform } from "#platform";
import { InputError, UsageError } from "../../errors.ts";
import { isNoFolder } from "../../platform/glob.ts";
import { recordedConfig } from "../../runs/checkpoint.ts";
import { namesOfRuns, runsIn, shortList } from "../../runs/node-run-list.ts";
import { type GivenOptions, readRecord } from "../../runs/record.ts";
import { isStopped } from "../../runs/restore.ts";
import { RunFolder } from "../../runs/run-folder.ts";
import { openResumable, type Resumable } from "../../runs/start.ts";
import type { TrainSettings } from "../../train/settings.ts";
import { describe, differingFlags, isSetting, refuse } from "./differing-flags.ts";
import { computingOf, type TrainFlags, typedOf } from "./options.ts";

/** A run to resume, and the options that count: the run's, with what is different now. */
export interface Resumed extends Resumable {
  readonly flags: TrainFlags;
  /** Of those, what was typed: for the record. */
  readonly given: GivenOptions;
  readonly modelName: string;
  /** Settings that are different from now on: "--lr: 0.001, now 0.0005". */
  readonly changes: readonly string[];
}

type Remark = (text: string) => void;

/** Opens the run in `--out` to continue it; undefined when there is none yet. The caller closes its folder. */
export async function openRun(flags: TrainFlags, remark: Remark): Promise<Resumed | undefined> {
  const path = await runPath(flags.out);
  if (isNoFolder(await platform.pathKind(path)))
    throw new InputError(`${path} is a file, where a run folder is expected. Give the folder of the run.`);
  if (!(await RunFolder.holdsRun(path))) {
    const others = await namesOfRuns(dirname(path));
    remark(`there is no run in ${path} to resume: starting one${others && ` (beside it there are ${others})`}`);
    return undefined;
  }
  const resumable = await openResumable(path, remark, flags.force);
  const { folder, checkpoint } = resumable;
  const { takenFrom } = folder;
  if (takenFrom) remark(`${takenFrom.who}, which had ${path} since ${takenFrom.started}, is gone`);
  try {
    const settled = await settle(resumable, flags, remark);
    remark(
      checkpoint
        ? `continuing ${path} after ${checkpoint.step} updates`
        : `${path} has no checkpoint to continue from: the run begins again`,
    );
    return { ...resumable, ...settled };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

/** Backend and kernel that were chosen for the run in `out`, read before it is opened; none where there is no run yet. */
export async function givenComputing(out: string | undefined): Promise<Pick<GivenOptions, "backend" | "kernel">> {
  if (out === undefined) return {};
  const path = await runPath(out);
  const { config } = await recordedConfig(path);
  const { backend, kernel } = config ? readRecord(path, config).given : {};
  return { ...(backend && { backend }), ...(kernel && { kernel }) };
}

/** A slash at the end means a new folder inside, unless it was only typed behind a run's name. */
async function runPath(out: string | undefined): Promise<string> {
  if (out === undefined) throw new UsageError("--resume continues the run in a folder: name it with --out (-o).");
  const path = out.replace(/(?<=.)[/\\]+$/, "");
  if (path === out || (await RunFolder.holdsRun(path))) return path;
  throw new UsageError(`${out} holds runs in numbered folders: name the one to continue, such as ${out}baby-001.`);
}

type Settled = Pick<Resumed, "flags" | "given" | "modelName" | "changes">;

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
    const order = checkpoint?.shuffled ? "shuffle" : "file";
    return {
      flags: { order, ...flags },
      given: typedOf(flags),
      modelName: flags.model ?? "llm.c's model",
      changes: [],
    };
  }
  const { given, run, cwd } = record;
  const found = differingFlags(flags, record);
  refuse(folder.path, found, flags.force ?? false);
  const changed = Object.fromEntries(found.map(({ name, now }) => [name, now]));
  const passing = Object.fromEntries(Object.entries(flags).filter(([name]) => !isSetting(name, record)));
  const paths = {
    train: flags.train ?? (await locate(given.train, cwd)),
    val: flags.val ?? (await locate(given.val, cwd)),
    model: await locate(given.model, cwd),
  };
  return {
    flags: { ...flags, ...given, ...run, ...passing, ...paths, ...changed },
    given: { ...given, ...paths, ...changed, ...computingOf(flags) },
    modelName,
    changes: found.map(describe),
  };
}

/** A path as it was typed in another folder; one that leads somewhere from here as well is taken as it is. */
async function locate(path: string | undefined, cwd: string): Promise<string | undefined> {
  if (path === undefined || isAbsolute(path) || cwd === process.cwd()) return path;
  const leadsTo = async (p: string) => (await platform.pathKind(p)) ?? (await platform.listFiles(p)).at(0);
  if (await leadsTo(path)) return path;
  const there = resolve(cwd, path);
  return (await leadsTo(there)) ? there : path;
}

export function alreadyComplete(settings: TrainSettings, { folder, checkpoint }: Resumed): string {
  const why = checkpoint && isStopped(settings, checkpoint) ? " and --early-stop ended it" : "";
  return (
    `The run in ${folder.path} is complete: ${checkpoint?.step} updates were made${why}. For more, give a larger ` +
    "--steps (-x) with --force."
  );
}
