/** The files of a model or data set that llm-ts has a use for: the plan of a download, and the cached result. */
import { InputError } from "../errors.ts";
import { generationConfigFile } from "../format/generation-config.ts";
import { hubTokenizerFiles } from "../format/huggingface-config.ts";
import type { LockOwner } from "../platform/platform.ts";
import { type RemoteFile, RepositoryCache, type RepositoryKind } from "./cache.ts";
import type { HubClient } from "./client.ts";
import { downloadFile, type OnBytes } from "./download.ts";
import { describeFile, listFiles } from "./repository.ts";

export const weightsFile = "model.safetensors";
export const weightsIndex = "model.safetensors.index.json";

/** Small files, in the order of download: the first decides whether the rest is of use. */
const described: readonly string[] = ["config.json", generationConfigFile, ...hubTokenizerFiles];

/** Files of a repository to download. */
export interface Plan {
  readonly kind: RepositoryKind;
  readonly repository: string;
  readonly revision: string;
  readonly commit: string;
  /** The snapshot in the cache. */
  readonly folder: string;
  /** All files, those that are in the cache already as well. The weights come last. */
  readonly files: readonly PlannedFile[];
}

export interface PlannedFile extends RemoteFile {
  readonly cached: boolean;
}

/** Asks the hub for the files of a model. InputError when it has no weights that llm-ts reads. */
export async function planSnapshot(client: HubClient, repository: string, revision: string): Promise<Plan> {
  const { commit, files } = await listFiles(client, repository, revision);
  return plan(client, "model", { repository, revision, commit }, chosen(files, repository));
}

/**
 * Asks the hub for the files of a data set: those that the first of the `wanted` patterns matches, if any, in order of
 * their names. InputError when none does.
 */
export async function planDataset(client: HubClient, repository: string, wanted: readonly RegExp[]): Promise<Plan> {
  const revision = "main";
  const { commit, files } = await listFiles(client, repository, revision, "dataset");
  const paths = firstMatching(files, wanted);
  if (paths.length === 0)
    throw new InputError(
      `${repository} on the hub has no file that llm-ts expects there: it was changed. Download the data by hand, and ` +
        "name the file.",
    );
  return plan(client, "dataset", { repository, revision, commit }, paths);
}

function firstMatching(files: readonly string[], wanted: readonly RegExp[]): string[] {
  for (const pattern of wanted) {
    const found = files.filter((path) => pattern.test(path)).sort();
    if (found.length > 0) return found;
  }
  return [];
}

async function plan(
  client: HubClient,
  kind: RepositoryKind,
  source: Pick<Plan, "repository" | "revision" | "commit">,
  paths: readonly string[],
): Promise<Plan> {
  const { repository, commit } = source;
  const cache = new RepositoryCache(client.settings.cache, repository, kind);
  const files: PlannedFile[] = [];
  for (const path of paths) {
    const file = await describeFile(client, repository, commit, path, kind);
    files.push({ ...file, cached: await cache.has(file) });
  }
  return { kind, ...source, folder: cache.snapshot(commit), files };
}

export interface SnapshotEvents {
  readonly onBytes?: (file: PlannedFile, ...progress: Parameters<OnBytes>) => void;
  /** Called while waiting for another process that downloads this file. */
  readonly onWait?: (file: PlannedFile, owner: LockOwner) => void;
  /** Called for each complete file; an exception ends the download. */
  readonly onFile?: (file: PlannedFile, path: string) => Promise<void>;
}

/** Downloads what a plan lists. The revision points to the snapshot once all files are complete. */
export async function fetchSnapshot(client: HubClient, plan: Plan, events: SnapshotEvents = {}): Promise<void> {
  for (const file of plan.files) {
    const path = await downloadFile(
      client,
      file,
      (bytes, phase) => events.onBytes?.(file, bytes, phase),
      (owner) => events.onWait?.(file, owner),
    );
    await events.onFile?.(file, path);
  }
  await new RepositoryCache(client.settings.cache, plan.repository, plan.kind).setCommit(plan.revision, plan.commit);
}

/** The folder of a model that is in the cache with all its weights; undefined when it is not. */
export async function cachedSnapshot(
  cacheFolder: string,
  repository: string,
  revision: string,
): Promise<string | undefined> {
  const cache = new RepositoryCache(cacheFolder, repository, "model");
  const commit = await cache.commitOf(revision);
  if (commit === undefined) return undefined;
  const files = await cache.files(commit);
  return files.includes("config.json") && weightsOf(files).length > 0 ? cache.snapshot(commit) : undefined;
}

/** The files of a data set that are in the cache, as `planDataset` would choose them; none when they are not. */
export async function cachedDataset(
  cacheFolder: string,
  repository: string,
  wanted: readonly RegExp[],
): Promise<string[]> {
  const cache = new RepositoryCache(cacheFolder, repository, "dataset");
  const commit = await cache.commitOf("main");
  if (commit === undefined) return [];
  return firstMatching(await cache.files(commit), wanted).map((path) => `${cache.snapshot(commit)}/${path}`);
}

function chosen(names: readonly string[], repository: string): string[] {
  if (!names.includes("config.json"))
    throw new InputError(`${repository} has no config.json: it is not a transformers model. Give another repository.`);
  if (weightsOf(names).length > 0) return modelFiles(names);
  const others = names.filter((name) => /\.(bin|h5|msgpack|gguf|onnx|pt)$/.test(name)).slice(0, 3);
  const has = others.length > 0 ? `, only ${others.join(", ")}` : "";
  throw new InputError(
    `${repository} has no ${weightsFile}${has}. llm-ts reads weights from safetensors alone: look for a revision that ` +
      "has them (often refs/pr/…), and give it to llm-ts pull --revision.",
  );
}

/** Of a repository's files those of its model, the weights last. */
export function modelFiles(names: readonly string[]): string[] {
  return [...described.filter((name) => names.includes(name)), ...weightsOf(names)];
}

/** The weights: one file or, in parts, an index and its parts, all of them; else nothing. */
function weightsOf(names: readonly string[]): string[] {
  if (names.includes(weightsFile)) return [weightsFile];
  const parts = names.filter((name) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(name)).sort();
  const count = Number(/of-(\d+)/.exec(parts[0] ?? "")?.[1] ?? 0);
  return names.includes(weightsIndex) && count > 0 && parts.length === count ? [weightsIndex, ...parts] : [];
}
