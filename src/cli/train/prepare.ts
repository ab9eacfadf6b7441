import { platform } from "#platform";
import { gpt2Vocabulary } from "../../api/model-tokenizer.ts";
import { tokenFilesOf } from "../../data/loader.ts";
import { UsageError } from "../../errors.ts";
import { bytesPer } from "../../format/numbers.ts";
import type { Group } from "../../group/group.ts";
import { type GPT2Config, withVocabulary } from "../../model/config.ts";
import { adapterCount } from "../../model/lora.ts";
import { parameterCount } from "../../model/parameters.ts";
import { quoted } from "../../platform/quoted.ts";
import { checkpointsKept, completeSteps } from "../../runs/checkpoint-list.ts";
import { runsIn, shortList } from "../../runs/node-run-list.ts";
import { RunFolder } from "../../runs/run-folder.ts";
import { type PreparedRun, prepareRun, type RunRequest } from "../../runs/start.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { describeDepth } from "../../train/depth.ts";
import { loraOf } from "../../train/lora-options.ts";
import { idleOptions } from "../../train/needs.ts";
import { resolved } from "../../train/resolve.ts";
import type { RunChoices, TrainSettings } from "../../train/settings.ts";
import { freeBytes, requireRoom } from "../disk-space.ts";
import { bytes, short } from "../display/text.ts";
import type { TrainDisplay } from "../display/train-display.ts";
import { requireTokens } from "../options/data.ts";
import { idleError, idleText } from "../options/typed.ts";
import { chooseData, hasValidation } from "./data.ts";
import type { Kind } from "./default-data.ts";
import { baseOf, chooseModel, fileModel, requireAdaptable } from "./model.ts";
import { longFlag, type TrainFlags, typedOf } from "./options.ts";
import type { Resumed } from "./resume.ts";
import { TensorBoardLog } from "./tensorboard.ts";

/** Finds what the options name, and every mistake in them, before anything takes long. */
export async function prepare(
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
  if (out !== undefined && !resumed) await requireNewFolder(out);
  if (!headerless)
    for (const path of [flags.train, flags.val]) if (path !== undefined) await requireTokens(path, flags.model);
  await refuseWithoutEffect(typed, flags, resumed?.record?.given, group, display.remark);
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
  if (out !== undefined) await requireCheckpointRoom(out, trained, settings, display.remark);
  return { run, kind: data.kind };
}

/** InputError for a folder that is taken, UsageError for one of runs: a run's own files in it would hide them. */
async function requireNewFolder(out: string): Promise<void> {
  await RunFolder.requireVacant(out);
  const runs = /[/\\]$/.test(out) ? [] : await runsIn(out);
  if (runs.length > 0)
    throw new UsageError(
      `${out} is a folder of runs: ${shortList(runs)}. End the path in a slash to get a new numbered folder inside it ` +
        `(-o ${quoted(`${out}/`)}), or choose another folder.`,
    );
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

/** A model's configuration, with room for the special tokens of conversations that it has not met before. */
function withChatTokens(config: GPT2Config, { turnEnd = -1, vocabSize }: Partial<Tokenizer> = {}): GPT2Config {
  return vocabSize !== undefined && turnEnd >= config.V ? withVocabulary(config, vocabSize) : config;
}

/**
 * InputError where the newest checkpoints, of so many `trained` numbers, have no room together. Those that stay for good can be moved away
 * while the run lasts: where they have no room it is a remark.
 */
export async function requireCheckpointRoom(
  out: string,
  trained: number,
  settings: Pick<TrainSettings, "checkpointEvery" | "keep" | "keepEvery" | "steps">,
  remark: (text: string) => void,
): Promise<void> {
  // They, and AdamW's two moments of them.
  const size = 3 * bytesPer.f32 * trained;
  const there = (await platform.pathKind(out)) === "folder" ? (await completeSteps(out)).length : 0;
  const { newest, all } = checkpointsKept(settings, settings.steps);
  const free = await freeBytes(out);
  const bytesOf = (checkpoints: number) => Math.max(1, checkpoints - there) * size;
  const least = bytesOf(checkpointsKept({ ...settings, keep: 1 }, settings.steps).newest);
  const fewer = least < bytesOf(newest) && least <= free ? "keep fewer checkpoints (--keep 1), or " : "";
  await requireRoom(out, bytesOf(newest), `${fewer}write to another disk (-o)`);
  if ((all - there) * size > free)
    remark(
      `the disk has ${bytes(free)} left, and this run keeps ${all} checkpoints of ${bytes(size)}: move some away while it ` +
        `lasts, or keep fewer (${settings.keep === 0 ? "--keep 2" : "--keep-every 0"})`,
    );
}
