/** `--resume`: finding out how the run in a folder goes on, and what stands against it. */
import { dirname, isAbsolute, resolve } from "node:path";
import { platform } from "#platform";
import { InputError, UsageError } from "../../errors.ts";
import { isNoFolder } from "../../platform/glob.ts";
import type { Checkpoint } from "../../runs/checkpoint.ts";
import { requireUnedited } from "../../runs/edited-settings.ts";
import { namesOfRuns } from "../../runs/node-run-list.ts";
import { type DataRecord, dataDifferences, type GivenOptions, readRecord } from "../../runs/record.ts";
import { isStopped } from "../../runs/restore.ts";
import { readRunConfig } from "../../runs/run-config.ts";
import { RunFolder } from "../../runs/run-folder.ts";
import type { TrainSettings } from "../../train/settings.ts";
import { describe, differingFlags, isSetting, refuse } from "./differing-flags.ts";
import { computingOf, type TrainFlags, typedOf } from "./options.ts";

/** A run that goes on. */
export interface Continued {
  readonly folder: RunFolder;
  /** Where from; undefined: from its beginning, since it was ended before its first checkpoint. */
  readonly checkpoint?: Checkpoint;
  /** What the run was told, with what is different now; its data, where that is known. */
  readonly flags: TrainFlags;
  /** Of those, what was typed: for the record. */
  readonly given: GivenOptions;
  readonly modelName: string;
  readonly data?: DataRecord;
  /** Settings that are different from now on: "--lr: 0.001, now 0.0005". */
  readonly changes: readonly string[];
}

type Remark = (text: string) => void;

/** Opens the run in `--out` to continue it; undefined when there is none yet. The caller closes its folder. */
export async function openRun(flags: TrainFlags, remark: Remark): Promise<Continued | undefined> {
  const path = await runPath(flags.out);
  if (isNoFolder(await platform.pathKind(path)))
    throw new InputError(`${path} is a file, where a run folder is expected. Give the folder of the run.`);
  if (!(await RunFolder.holdsRun(path))) {
    const others = await namesOfRuns(dirname(path));
    remark(`there is no run in ${path} to continue: it begins${others && ` (beside it there are ${others})`}`);
    return undefined;
  }
  const folder = await RunFolder.open(path, ({ who }, ms) =>
    remark(`${path} is held by ${who}, which cannot be seen from here: watching its heartbeat for ${ms / 1000} s`),
  );
  try {
    const { takenFrom } = folder;
    if (takenFrom) remark(`${takenFrom.who}, which had ${path} since ${takenFrom.started}, is gone`);
    const checkpoint = await findCheckpoint(folder, flags.force ?? false, remark);
    const settled = await settle(folder, checkpoint, flags, remark);
    remark(
      checkpoint
        ? `continuing ${path} after ${checkpoint.step} updates`
        : `${path} has no checkpoint to continue from: the run begins again`,
    );
    return { folder, checkpoint, ...settled };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

/** What was chosen to compute the run in `out`, before it is opened; nothing where there is none yet. */
export async function givenComputing(out: string | undefined): Promise<Pick<GivenOptions, "backend" | "kernel">> {
  if (out === undefined) return {};
  const path = await runPath(out);
  const config = await readRunConfig(path);
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

async function findCheckpoint(folder: RunFolder, force: boolean, remark: Remark): Promise<Checkpoint | undefined> {
  let damaged = 0;
  const checkpoint = await folder.newestCheckpoint((step, problem) => {
    damaged++;
    remark(`the checkpoint of step ${step} cannot be used: ${problem}`);
  });
  if (!checkpoint && damaged > 0 && !force)
    throw new InputError(
      `${folder.path}: none of its ${damaged} checkpoints is whole. With --force the run begins anew in this folder; ` +
        "what is damaged there keeps lying beside it.",
    );
  return checkpoint;
}

/** Puts together what the run was told and what it is told now. UsageError names each difference that is not wanted. */
async function settle(
  folder: RunFolder,
  checkpoint: Checkpoint | undefined,
  flags: TrainFlags,
  remark: Remark,
): Promise<Omit<Continued, "folder" | "checkpoint">> {
  const { config } = folder;
  if (!config) return settleLlmc(folder, checkpoint, flags, remark);
  const record = readRecord(folder.path, config);
  if (checkpoint) requireUnedited(folder, checkpoint);
  const { given, run, data, cwd } = record;
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
    modelName: nameIn(config) ?? "model",
    data,
    changes: found.map(describe),
  };
}

/** Of llm.c's own runs only the files are known. */
function settleLlmc(
  folder: RunFolder,
  checkpoint: Checkpoint | undefined,
  flags: TrainFlags,
  remark: Remark,
): Omit<Continued, "folder" | "checkpoint"> {
  remark(
    `${folder.path} has no config.json: its files are llm.c's. Neither their checksums nor the data and settings of the ` +
      "run can be checked: those given now are used",
  );
  const order = checkpoint?.shuffled ? "shuffle" : "file";
  return { flags: { order, ...flags }, given: typedOf(flags), modelName: flags.model ?? "llm.c's model", changes: [] };
}

function nameIn(config: Readonly<Record<string, unknown>>): string | undefined {
  const { model } = config;
  if (typeof model !== "object" || model === null || !("name" in model)) return undefined;
  return String(model.name);
}

/** A path as it was typed in another folder; one that leads somewhere from here as well is taken as it is. */
async function locate(path: string | undefined, cwd: string): Promise<string | undefined> {
  if (path === undefined || isAbsolute(path) || cwd === process.cwd()) return path;
  const leadsTo = async (p: string) => (await platform.pathKind(p)) ?? (await platform.listFiles(p)).at(0);
  if (await leadsTo(path)) return path;
  const there = resolve(cwd, path);
  return (await leadsTo(there)) ? there : path;
}

/** InputError when the data is not what it was. */
export function requireSameData({ data, folder }: Continued, now: DataRecord, force: boolean, remark: Remark): void {
  if (!data) return;
  const found = dataDifferences(data, now);
  if (found.length === 0) return;
  const what = `the data is not what the run in ${folder.path} was trained on: ${found.join("; ")}`;
  if (force) remark(`${what}. It goes on, as --force says`);
  else
    throw new InputError(
      `${what[0]?.toUpperCase()}${what.slice(1)}. Bring the old data back, or add --force to go on with what there is.`,
    );
}

export function alreadyComplete(settings: TrainSettings, { folder, checkpoint }: Continued): string {
  const why = checkpoint && isStopped(settings, checkpoint) ? " and --early-stop ended it" : "";
  return (
    `The run in ${folder.path} is complete: ${checkpoint?.step} updates were made${why}. For more, give a larger ` +
    "--steps (-x) with --force."
  );
}
