import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { DownloadError } from "../../errors.ts";
import { requireGpt2 } from "../../format/huggingface-config.ts";
import { withSource } from "../../format/source.ts";
import { HubClient } from "../../hub/client.ts";
import { checkRevision, repositoryOf } from "../../hub/repository.ts";
import { type HubSettings, hubSettings } from "../../hub/settings.ts";
import {
  cachedDataset,
  cachedSnapshot,
  fetchSnapshot,
  modelFiles,
  type Plan,
  planDataset,
  planSnapshot,
  type SnapshotEvents,
  weightsFile,
  weightsIndex,
} from "../../hub/snapshot.ts";
import { requireRoom } from "../disk-space.ts";
import { bytes } from "../display/text.ts";
import { say } from "../output.ts";
import { PullProgress } from "./progress.ts";

/** A model of the hub that is in the cache, whole. */
export interface PulledModel {
  readonly repository: string;
  readonly revision: string;
  /** Its snapshot in the cache. */
  readonly folder: string;
  /** The names of its files there. */
  readonly files: readonly string[];
  /** Its model file: weights, or the index of weights in parts. */
  readonly weights: string;
}

/**
 * Downloads a model into the cache, after announcing what and how much. `fromCache`: a cached one is used without asking
 * for a newer one. DownloadError, InputError or UsageError otherwise. `beforeWeights` may refuse a model by its config.json, which
 * is there then, and its plan.
 */
export async function pullModel(
  name: string,
  revision = "main",
  fromCache = false,
  beforeWeights: (plan: Plan) => Promise<void> = async () => {},
): Promise<PulledModel> {
  const repository = repositoryOf(name);
  checkRevision(revision);
  const settings = await hubSettings(process.env);
  const cached = await cachedSnapshot(settings.cache, repository, revision);
  if (cached !== undefined && (fromCache || settings.offline)) return modelIn(cached, repository, revision);
  if (settings.offline)
    throw new DownloadError(
      `${repository} (${revision}) is not in the cache, ${settings.cache}, and HF_HUB_OFFLINE forbids to download it.`,
    );
  const client = new HubClient(settings, say);
  try {
    const plan = await planSnapshot(client, repository, revision);
    await download(client, name, plan, async (file, path) => {
      if (file.path !== "config.json") return;
      // Another architecture is refused before its weights are downloaded.
      await withSource(path, requireGpt2);
      await beforeWeights(plan);
    });
    return await modelIn(plan.folder, repository, revision);
  } catch (error) {
    if (cached === undefined || !(error instanceof DownloadError)) throw error;
    say(`${error.message}\nTaking ${repository} as it is in the cache.`);
    return await modelIn(cached, repository, revision);
  } finally {
    await client.close();
  }
}

/** Downloads the files of a plan, after announcing them. */
export async function download(
  client: HubClient,
  name: string,
  plan: Plan,
  onFile: NonNullable<SnapshotEvents["onFile"]> = async () => {},
): Promise<void> {
  const missing = plan.files.filter(({ cached }) => !cached);
  const total = missing.reduce((sum, { size }) => sum + size, 0);
  await requireRoom(client.settings.cache, total, "move the cache to another disk (HF_HOME)");
  if (total > 0) say(announcement(client.settings, plan, total));
  const progress = new PullProgress(name, total);
  try {
    await fetchSnapshot(client, plan, {
      onBytes: progress.onBytes,
      onWait: progress.onWait,
      async onFile(file, path) {
        progress.onFile(file);
        await onFile(file, path);
      },
    });
  } finally {
    progress.end();
  }
}

function announcement({ endpoint, cache }: HubSettings, { repository, revision, commit }: Plan, total: number): string {
  return (
    `Downloading ${repository} (${revision}, commit ${commit.slice(0, 7)}): ${bytes(total)} from ${endpoint.host} ` +
    `into ${shortened(cache)}`
  );
}

/** A path as a person would write it. */
function shortened(path: string): string {
  return path.startsWith(homedir()) && homedir() !== "/" ? join("~", path.slice(homedir().length)) : path;
}

async function modelIn(folder: string, repository: string, revision: string): Promise<PulledModel> {
  const files = modelFiles(await readdir(folder));
  const weights = join(folder, files.includes(weightsFile) ? weightsFile : weightsIndex);
  return { repository, revision, folder, files, weights };
}

/** A data set of the hub: where it is, and which of its files are wanted (those that the first pattern matches). */
export interface HubDataset {
  readonly repository: string;
  readonly files: readonly RegExp[];
}

export const hubDatasets = {
  hellaswag: {
    repository: "Rowan/hellaswag",
    files: [/(^|\/)hellaswag_val\.jsonl$/, /(^|\/)validation-[^/]*\.parquet$/],
  },
  lambada: {
    repository: "EleutherAI/lambada_openai",
    files: [/(^|\/)lambada_test\.jsonl$/, /(^|\/)lambada_test_en\.jsonl$/, /^(default|en)\/test-[^/]*\.parquet$/],
  },
  fineweb: { repository: "HuggingFaceFW/fineweb", files: [/^sample\/10BT\/[^/]*\.parquet$/] },
  tinystories: { repository: "roneneldan/TinyStories", files: [/^data\/train-[^/]*\.parquet$/] },
  tinystoriesVal: { repository: "roneneldan/TinyStories", files: [/^data\/validation-[^/]*\.parquet$/] },
} satisfies Record<string, HubDataset>;

/** The files of a data set in the cache; missing ones are downloaded, after an announcement. */
export async function datasetFiles({ repository, files }: HubDataset): Promise<string[]> {
  const settings = await hubSettings(process.env);
  const cached = await cachedDataset(settings.cache, repository, files);
  if (cached.length > 0) return cached;
  if (settings.offline)
    throw new DownloadError(
      `The data set ${repository} is not in the cache, ${settings.cache}, and HF_HUB_OFFLINE forbids to download it.`,
    );
  const client = new HubClient(settings, say);
  try {
    const plan = await planDataset(client, repository, files);
    await download(client, repository, plan);
    return plan.files.map(({ path }) => `${plan.folder}/${path}`);
  } finally {
    await client.close();
  }
}
