/** New and resumed runs of the page: the arguments of runs/start.ts, from the tab's storage and the loaded model. */
import type { GPT2 } from "../../src/api/gpt2.ts";
import { openModelFile } from "../../src/api/model-file.ts";
import type { Backend } from "../../src/backend/backend.ts";
import { type BackendName, defaultBackend } from "../../src/backend/registry.ts";
import { InputError } from "../../src/errors.ts";
import { numberIn } from "../../src/runs/log.ts";
import type { GivenOptions } from "../../src/runs/record.ts";
import {
  openResumable,
  type PreparedRun,
  prepareRun,
  type Resumable,
  type RunHost,
  startRun,
} from "../../src/runs/start.ts";
import { freshConfig } from "../../src/train/fresh-config.ts";
import { closeLoaders } from "../../src/train/loaders.ts";
import type { Decision, StepShape } from "./auto.ts";
import { checkChoice, type RunChoice } from "./choice.ts";
import { openPrepared, type Prepared } from "./data.ts";
import type { Device } from "./device.ts";
import { type ModelSlot, summaryOf } from "./model-slot.ts";
import type { SessionParts } from "./session.ts";

/** Parts of the engine that both kinds of runs use. */
export interface StartContext {
  readonly device: Device;
  /** The backend for a new run; takes some steps of it, if their time is needed and not known. */
  readonly decide: (shape: StepShape) => Promise<Decision>;
  readonly slot: ModelSlot;
  /** Folder of all runs, with a slash at its end; undefined without storage. */
  readonly runs: string | undefined;
  readonly onProgress: (share: number) => void;
  readonly remark: (text: string) => void;
}

/** Starts a run with the loaded model or a fresh one; without a folder if the storage fails. */
export async function startNewRun(choice: RunChoice, data: Prepared, context: StartContext): Promise<SessionParts> {
  const { given, config, start } = choice;
  const { runs, remark } = context;
  checkChoice(choice, data);
  const prepared = await prepareRun({
    model: { name: start?.name ?? given.model, config, tokenizer: data.tokenizer },
    data: { name: data.summary.name, train: given.train, val: given.val },
    given,
    choices: given,
    isKept: runs !== undefined,
  });
  const run = await withBackend(prepared, context, context.decide(choice));
  if (choice.remark !== undefined) remark(choice.remark);
  let unkept: string | undefined;
  const onUnkept = ({ message }: InputError) => {
    unkept = message;
    remark(`the run cannot be kept: ${message} It continues all the same; export its model before you close the tab`);
  };
  const host = { ...hostOf(run, context), onUnkept };
  const provideModel = () => moved(context.slot, run.backend);
  const parts = await partsOf(run, data, start ? { ...host, provideModel } : host);
  return { ...parts, unkept, saveFirst: start !== undefined };
}

/** Resumes a run from its newest checkpoint. InputError when that is impossible; its folder is as it was then. */
export async function resumeRun(
  path: string,
  context: StartContext,
  decideResumed: (before: BackendName) => Promise<Decision>,
): Promise<SessionParts & { readonly data: Prepared }> {
  const resumable = await openResumable(path, context.remark, "Otherwise start another run.");
  try {
    const { record, checkpoint } = resumable;
    if (!record) throw new InputError(`${path} has no config.json: resume it with llm-ts train --resume.`);
    const data = await openPrepared(record.given.train ?? "");
    const prepared = await prepareRun({
      model: { ...(await modelOf(resumable, record.given)), file: checkpoint?.model, tokenizer: data.tokenizer },
      data: { name: data.summary.name, train: data.folder, val: record.given.val },
      given: record.given,
      choices: { ...record.given, ...record.run },
      resumed: { ...resumable, changes: [], otherData: "It cannot be resumed." },
      isKept: true,
    });
    if (prepared.isComplete) {
      await closeLoaders(prepared.loaders);
      throw new InputError("This run is complete: all its updates were made. Open its model to train it on.");
    }
    const run = await withBackend(prepared, context, decideResumed(record.given.backend ?? defaultBackend));
    const parts = await partsOf(run, data, { ...hostOf(run, context), cwd: record.cwd });
    return { ...parts, saveFirst: false, data };
  } catch (error) {
    await resumable.folder.close();
    throw error;
  }
}

/** Name and configuration of a resumed run's model: as its checkpoint has it, or as a fresh one of its vocabulary. */
async function modelOf({ folder, checkpoint, modelName }: Resumable, given: GivenOptions) {
  const V = numberIn(folder.config?.model, "V");
  if (modelName === undefined || V === undefined)
    throw new InputError(`${folder.path}/config.json is damaged: it does not say which model was trained.`);
  if (!checkpoint) return { name: modelName, config: freshConfig(given, V) };
  const file = await openModelFile(checkpoint.model);
  await file.close();
  return { name: modelName, config: file.config };
}

/** A run, and what computes it. */
interface PlacedRun extends PreparedRun {
  readonly backend: Backend;
  readonly decision: Decision;
}

/** The run on the backend that was decided on, which its record then names. */
async function withBackend(
  run: PreparedRun,
  { device }: StartContext,
  deciding: Promise<Decision>,
): Promise<PlacedRun> {
  try {
    const decision = await deciding;
    const { name } = decision;
    const given = { ...run.given, backend: name === defaultBackend ? undefined : name };
    return { ...run, given, backend: await device.start(name), decision };
  } catch (error) {
    await closeLoaders(run.loaders);
    throw error;
  }
}

async function moved(slot: ModelSlot, backend: Backend): Promise<GPT2> {
  await slot.moveTo(backend);
  return slot.require().model;
}

function hostOf(run: PlacedRun, { slot, runs, onProgress, remark }: StartContext): RunHost {
  const { name } = run.model;
  return {
    backend: run.backend,
    out: runs,
    cwd: runs ?? "",
    onProgress,
    remark,
    provideModel: async (make) => (await slot.replace(async () => ({ name, model: await make() }))).model,
  };
}

async function partsOf(run: PlacedRun, data: Prepared, host: RunHost): Promise<Omit<SessionParts, "saveFirst">> {
  const started = await startRun(run, host);
  const { trainer, folder, settings } = started;
  const { batch, block, steps } = settings;
  const { step: from, model } = trainer;
  const name = folder?.path.replace(/^.*\//s, "") ?? run.model.name;
  const summary = summaryOf({ model, name: run.model.name }, from);
  const { name: backend, timing } = run.decision;
  return {
    ...started,
    info: {
      ...{ name, isKept: folder !== undefined, model: summary, data: data.summary.name },
      ...{ batch, block, steps, from, backend, timing },
    },
  };
}
