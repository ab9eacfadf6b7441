/** The files of a model that llm-ts has a use for: what there is to download, and where they are afterwards. */
import { InputError } from "../errors.ts";
import type { LockOwner } from "../platform/platform.ts";
import { ModelCache } from "./cache.ts";
import type { HubClient } from "./client.ts";
import { downloadFile, type OnBytes } from "./download.ts";
import { describeFile, listFiles, type RemoteFile } from "./repository.ts";

export const weightsFile = "model.safetensors";
export const weightsIndex = "model.safetensors.index.json";

/** Small files, in the order in which they are fetched: the first tells whether the rest is worth it. */
const described = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "vocab.json",
  "merges.txt",
];

/** What is to be downloaded of a model. */
export interface Plan {
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

/** Asks the hub what a model consists of. InputError when it has no weights that llm-ts reads. */
export async function planSnapshot(client: HubClient, repository: string, revision: string): Promise<Plan> {
  const cache = new ModelCache(client.settings.cache, repository);
  const { commit, files: names } = await listFiles(client, repository, revision);
  const files: PlannedFile[] = [];
  for (const path of chosen(names, repository)) {
    const file = await describeFile(client, repository, commit, path);
    files.push({ ...file, cached: await cache.has(file) });
  }
  return { repository, revision, commit, folder: cache.snapshot(commit), files };
}

export interface SnapshotEvents {
  readonly onBytes?: (file: PlannedFile, ...progress: Parameters<OnBytes>) => void;
  /** Another process is downloading this file, and is waited for. */
  readonly onWait?: (file: PlannedFile, owner: LockOwner) => void;
  /** A file is there, under this path. What it throws ends the download. */
  readonly onFile?: (file: PlannedFile, path: string) => Promise<void>;
}

/** Downloads what a plan lists. Only then does the cache know the snapshot as what the revision stands for. */
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
  await new ModelCache(client.settings.cache, plan.repository).setCommit(plan.revision, plan.commit);
}

/** The folder of a model that is in the cache with all its weights; undefined when it is not. */
export async function cachedSnapshot(
  cacheFolder: string,
  repository: string,
  revision: string,
): Promise<string | undefined> {
  const cache = new ModelCache(cacheFolder, repository);
  const commit = await cache.commitOf(revision);
  if (commit === undefined) return undefined;
  const files = await cache.files(commit);
  return files.includes("config.json") && weightsOf(files).length > 0 ? cache.snapshot(commit) : undefined;
}

function chosen(names: readonly string[], repository: string): string[] {
  if (!names.includes("config.json"))
    throw new InputError(`${repository} has no config.json: it is no model of transformers. Give another repository.`);
  const weights = weightsOf(names);
  if (weights.length > 0) return [...described.filter((name) => names.includes(name)), ...weights];
  const others = names.filter((name) => /\.(bin|h5|msgpack|gguf|onnx|pt)$/.test(name)).slice(0, 3);
  const has = others.length > 0 ? `, only ${others.join(", ")}` : "";
  throw new InputError(
    `${repository} has no ${weightsFile}${has}. llm-ts reads weights from safetensors alone: look for a revision that ` +
      "has them (often refs/pr/…), and give it with --revision.",
  );
}

/** The weights: one file or, in parts, an index and its parts, all of them; else nothing. */
function weightsOf(names: readonly string[]): string[] {
  if (names.includes(weightsFile)) return [weightsFile];
  const parts = names.filter((name) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(name)).sort();
  const count = Number(/of-(\d+)/.exec(parts[0] ?? "")?.[1] ?? 0);
  return names.includes(weightsIndex) && count > 0 && parts.length === count ? [weightsIndex, ...parts] : [];
}
