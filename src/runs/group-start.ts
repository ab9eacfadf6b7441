/** Starting a run in a group: rank 0 prepares it, the other members follow, and all are compared before the first update. */
import { GPT2 } from "../api/gpt2.ts";
import { InputError } from "../errors.ts";
import type { Group } from "../group/group.ts";
import { together } from "../group/together.ts";
import type { GPT2Config } from "../model/config.ts";
import type { Trainer } from "../train/trainer.ts";
import { dataDifferences } from "./record.ts";
import { type PreparedRun, prepareRun, type RunHost, type RunRequest, type StartedRun, startRun } from "./start.ts";

/** What rank 0 tells the others of a run that it has prepared: plain data. */
export interface SharedRun extends Pick<RunRequest, "data" | "given" | "choices" | "isKept"> {
  readonly model: { readonly name: string; readonly config: GPT2Config };
  /** True where weights, moments and state are a checkpoint's. */
  readonly isRestored: boolean;
  readonly isComplete: boolean;
}

export function sharedRun({ model, data, given, choices, isKept, resumed, isComplete }: PreparedRun): SharedRun {
  const { name, config } = model;
  const { train, val } = data;
  const isRestored = resumed?.checkpoint !== undefined;
  return {
    model: { name, config },
    data: { name: data.name, train, val },
    given,
    choices,
    isKept,
    isRestored,
    isComplete,
  };
}

/** The same run in another member, which opens the data itself: it is to be where rank 0 has it. */
export function followRun({ model, data, given, choices, isKept }: SharedRun, group: Group): Promise<PreparedRun> {
  return prepareRun({ model, data, given, choices, isKept }, group);
}

/** AgreedError where the members would train on different data. */
export async function requireSameRun({ group, dataRecord, settings }: PreparedRun): Promise<void> {
  if (group.size === 1) return;
  const all = await group.gather({ dataRecord, settings, host: group.host });
  await together(group, async () => {
    const [first] = all;
    if (!dataRecord || !first.dataRecord) return;
    const found = dataDifferences(first.dataRecord, dataRecord);
    if (found.length > 0)
      throw new InputError(`The data is not that of rank 0 (on ${first.host}): ${found.join("; ")}. Copy it there.`);
    if (JSON.stringify(settings) !== JSON.stringify(first.settings))
      throw new InputError("The settings are not those of rank 0.");
  });
}

/**
 * Starts the run in every member: rank 0 makes or restores the trainer and the folder, the others get its weights, and
 * the moments and state where it was restored. AgreedError where one of them cannot.
 */
export async function startTogether(run: PreparedRun, host: RunHost, isRestored: boolean): Promise<StartedRun> {
  const { group, model } = run;
  const { weights } = run.settings;
  const { backend } = host;
  const asMember: RunHost =
    group.rank === 0
      ? host
      : { ...host, provideModel: () => GPT2.zeros(model.config, { backend, tokenizer: model.tokenizer, weights }) };
  const started = await startRun(run, asMember);
  try {
    await shareTrainer(started.trainer, group, isRestored);
    return started;
  } catch (error) {
    await started.folder?.close();
    throw error;
  }
}

async function shareTrainer(trainer: Trainer, group: Group, isRestored: boolean): Promise<void> {
  const { backend, parameters } = trainer.model;
  const adapter = await trainer.adapter();
  await group.broadcastTensors(backend, [...parameters.weights.blocks, ...(adapter?.set.blocks ?? [])]);
  if (!isRestored) return;
  const state = await group.broadcast(trainer.state());
  // Where each member holds a part of the moments, it has it already.
  const { m, v } = adapter ?? trainer.moments();
  await group.broadcastTensors(backend, [...m.blocks, ...v.blocks]);
  if (group.rank > 0) trainer.restore(state);
}
