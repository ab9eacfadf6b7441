/** The runs in the tab's storage: the same folders as the command's. */
import { platform } from "#platform";
import { backendNames, defaultBackend } from "../../src/backend/registry.ts";
import { InputError } from "../../src/errors.ts";
import { isObject } from "../../src/format/json.ts";
import { sizeOf } from "../../src/format/source.ts";
import { folderOf, inFolder } from "../../src/platform/paths.ts";
import { checkpointModel, completeSteps } from "../../src/runs/checkpoint-list.ts";
import { readDetails } from "../../src/runs/columns.ts";
import type { RunSummary } from "../../src/runs/read-run.ts";
import { readRun } from "../../src/runs/read-run.ts";
import type { GivenOptions } from "../../src/runs/record.ts";
import { readRunConfig } from "../../src/runs/run-config.ts";
import type { RunDetail, StoredRun } from "./protocol.ts";

const nameOf = (path: string) => path.replace(/^.*\//s, "");

/** The folder of a run. InputError for an invalid name. */
export function folderOfRun(root: string, name: string): string {
  if (/^[^/\\]+$/.test(name) && !/^\.+$/.test(name)) return inFolder(root, name);
  throw new InputError(`"${name}" is not the name of a run.`);
}

/** All runs under `root`, newest first. `folder` is the folder's name. */
export async function summaries(root: string): Promise<RunSummary[]> {
  const configs = await platform.listFiles("*/config.json", root);
  const found = await Promise.all(configs.map((path) => readRun(folderOf(path))));
  return found
    .map((summary) => ({ ...summary, folder: nameOf(summary.folder) }))
    .sort((a, b) => (b.created ?? "").localeCompare(a.created ?? ""));
}

export async function detail(root: string, name: string): Promise<RunDetail> {
  const folder = folderOfRun(root, name);
  const summary = { ...(await readRun(folder)), folder: name };
  if (summary.status === "unreadable") return { summary, config: undefined, samples: [], broken: 0 };
  return { summary, ...(await readDetails(folder)) };
}

/** All runs, with whether they can be resumed, and their size. */
export async function storedRuns(root: string): Promise<StoredRun[]> {
  return Promise.all(
    (await summaries(root)).map(async (summary) => {
      const folder = folderOfRun(root, summary.folder);
      const isCut = summary.status === "cut off" || summary.status === "interrupted";
      const { backend = defaultBackend, train } = await givenOf(folder);
      return { ...summary, backend, canResume: isCut && (await hasData(train)), bytes: await bytesOf(folder) };
    }),
  );
}

async function hasData(data: string | undefined): Promise<boolean> {
  return data !== undefined && (await platform.pathKind(inFolder(data, "dataset.json"))) === "file";
}

/** The folder of the data that a run was trained on, and its backend, where its config.json says. */
async function givenOf(folder: string): Promise<Pick<GivenOptions, "train" | "backend">> {
  const config = await readRunConfig(folder).catch(() => undefined);
  const { train, backend } = isObject(config?.given) ? config.given : {};
  return {
    train: typeof train === "string" ? train : undefined,
    backend: backendNames.find((name) => name === backend),
  };
}

async function bytesOf(folder: string): Promise<number> {
  const names = await platform.listFolder(folder);
  // Files may vanish in the meantime: newer checkpoints replace older ones.
  const sizes = await Promise.all(names.map((name) => sizeOf(inFolder(folder, name)).catch(() => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The newest saved model of a run, and its number of updates. InputError when none was saved. */
export async function newestModel(root: string, name: string): Promise<{ path: string; step: number }> {
  const folder = folderOfRun(root, name);
  const [step] = await completeSteps(folder);
  if (step === undefined) throw new InputError(`The run ${name} has saved no model yet.`);
  return { path: await checkpointModel(folder, step), step };
}

/** The folders of all data that runs under `root` need to be resumed. */
export async function dataInUse(root: string): Promise<Set<string | undefined>> {
  const configs = await platform.listFiles("*/config.json", root);
  const given = await Promise.all(configs.map((path) => givenOf(folderOf(path))));
  return new Set(given.map(({ train }) => train));
}
