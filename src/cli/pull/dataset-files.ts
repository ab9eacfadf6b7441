import { DownloadError } from "../../errors.ts";
import { HubClient } from "../../hub/client.ts";
import { hubSettings } from "../../hub/settings.ts";
import { cachedDataset, planDataset } from "../../hub/snapshot.ts";
import { say } from "../output.ts";
import { download } from "./model.ts";

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

/** The files of a data set in the cache; they are downloaded, after saying so, where they are not there yet. */
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
