/** Runs that begin, and runs that go on: found, checked, and made ready for a session. */
import { GPT2 } from "../../src/api/gpt2.ts";
import type { Backend } from "../../src/backend/backend.ts";
import { InputError } from "../../src/errors.ts";
import { isObject } from "../../src/format/json.ts";
import { requireMemory } from "../../src/model/memory.ts";
import { requireUnedited } from "../../src/runs/edited-settings.ts";
import { numberIn } from "../../src/runs/log.ts";
import { dataDifferences, type RunRecord, readRecord, recordData } from "../../src/runs/record.ts";
import { history, isComplete, takeUp } from "../../src/runs/restore.ts";
import { RunFolder } from "../../src/runs/run-folder.ts";
import { freshConfig } from "../../src/train/fresh-config.ts";
import { openLoaders } from "../../src/train/loaders.ts";
import { planUpdates } from "../../src/train/resolve.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { checkChoice, type RunChoice } from "./choice.ts";
import { openPrepared, type Prepared } from "./data.ts";
import { planOf } from "./estimate.ts";
import { type LoadedModel, summaryOf } from "./loaded-model.ts";
import type { ModelSlot } from "./model-slot.ts";
import type { SessionParts } from "./session.ts";

/** What both need of the engine. */
export interface Beginning {
  readonly backend: Backend;
  readonly slot: ModelSlot;
  /** Where run folders are, with a slash at its end; undefined where none can be kept. */
  readonly runs: string | undefined;
  readonly onProgress: (share: number) => void;
  readonly remark: (text: string) => void;
}

/** Makes the model, unless it is there, and a folder for the run. What cannot be is found before. */
export async function beginRun(choice: RunChoice, data: Prepared, engine: Beginning): Promise<SessionParts> {
  const { given, config } = choice;
  requireMemory(engine.backend, config, planOf(choice));
  checkChoice(choice, data);
  const loaders = await openLoaders(given, choice.settings, config.V);
  const settings = planUpdates(given, choice.settings, loaders);
  if (choice.remark !== undefined) engine.remark(choice.remark);
  const loaded = choice.start ?? (await makeModel(given.model, choice, data, engine));
  const trainer = new Trainer(loaded.model, settings);
  const record: RunRecord = {
    cwd: engine.runs ?? "",
    given,
    data: await recordData(data.summary.name, loaders),
    run: settings,
  };
  const { folder, unkept } = await folderFor(loaded, record, engine);
  const info = infoOf(folder?.path, loaded, data, record, 0);
  return { trainer, folder, unkept, loaders, settings, info, saveFirst: choice.start !== undefined };
}

function makeModel(
  name: string,
  { config, settings: { seed } }: Pick<RunChoice, "config" | "settings">,
  { tokenizer }: Prepared,
  { backend, slot, onProgress }: Beginning,
): Promise<LoadedModel> {
  return slot.replace(async () => ({
    name,
    model: await GPT2.create(config, { backend, tokenizer, seed, onProgress }),
  }));
}

/** Where the storage takes nothing the run goes on without a folder: what it learns is lost with the tab. */
async function folderFor(
  { model, name }: LoadedModel,
  record: RunRecord,
  { runs, remark }: Beginning,
): Promise<Pick<SessionParts, "folder" | "unkept">> {
  if (runs === undefined) return { folder: undefined };
  try {
    return { folder: await RunFolder.create(runs, model, name, { ...record }) };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    remark(
      `the run cannot be kept: ${error.message} It goes on all the same; export its model before you close the tab`,
    );
    return { folder: undefined, unkept: error.message };
  }
}

function infoOf(
  folder: string | undefined,
  loaded: LoadedModel,
  { summary }: Prepared,
  { run: { batch, block, steps } }: RunRecord,
  from: number,
): SessionParts["info"] {
  const name = folder?.replace(/^.*\//s, "") ?? loaded.name;
  const isKept = folder !== undefined;
  return { name, isKept, model: summaryOf(loaded, from), data: summary.name, batch, block, steps, from };
}

/** Opens a run where its newest checkpoint left it. InputError when it cannot go on; its folder is as it was then. */
export async function takeUpRun(path: string, engine: Beginning): Promise<SessionParts & { readonly data: Prepared }> {
  const folder = await RunFolder.open(path);
  try {
    return await takeUpIn(folder, engine);
  } catch (error) {
    await folder.close();
    throw error;
  }
}

async function takeUpIn(folder: RunFolder, engine: Beginning): Promise<SessionParts & { readonly data: Prepared }> {
  const { backend, slot, remark } = engine;
  const config: Readonly<Record<string, unknown>> = folder.config ?? {};
  const record = readRecord(folder.path, config);
  const { given, run } = record;
  const { name, V } = modelIn(folder.path, config.model);
  const data = await openPrepared(given.train ?? "");
  const loaders = await openLoaders({ ...given, train: data.folder }, run, V);
  requireSameData(record, await recordData(data.summary.name, loaders));
  const checkpoint = await folder.newestCheckpoint((step, problem) =>
    remark(`the checkpoint of step ${step} cannot be used: ${problem}`),
  );
  if (checkpoint) requireUnedited(folder, checkpoint);
  if (await isComplete({ settings: run, loaders }, folder, checkpoint))
    throw new InputError("This run is complete: all its updates were made. Open its model to train it on.");
  const loaded = await (checkpoint
    ? slot.replace(async () => ({
        name,
        model: await GPT2.load(checkpoint.model, { backend, tokenizer: data.tokenizer }),
      }))
    : makeModel(name, { config: freshConfig(given, V), settings: run }, data, engine));
  const trainer = new Trainer(loaded.model, run);
  await takeUp(folder, checkpoint, trainer, remark);
  await folder.begin(loaded.model, name, { ...record, continued: history(folder, trainer, run, []) });
  const info = infoOf(folder.path, loaded, data, record, trainer.step);
  return { trainer, folder, loaders, settings: run, info, saveFirst: false, data };
}

function modelIn(path: string, model: unknown): { readonly name: string; readonly V: number } {
  const V = numberIn(model, "V");
  if (isObject(model) && typeof model.name === "string" && V !== undefined) return { name: model.name, V };
  throw new InputError(`${path}/config.json is damaged: it does not say which model was trained.`);
}

function requireSameData(record: RunRecord, now: RunRecord["data"]): void {
  const found = dataDifferences(record.data, now);
  if (found.length > 0)
    throw new InputError(`The data is not what this run was trained on: ${found.join("; ")}. It cannot go on.`);
}
