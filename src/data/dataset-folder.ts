/** The files of a data set in its folder: they change together, and belong together when they are read. */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { maskName } from "../format/loss-mask.ts";
import { requireWritable, saveText } from "../format/save.ts";
import { withSource } from "../format/source.ts";
import { openTokenFile } from "../format/tokens.ts";
import { folderOf, inFolder, nameOf } from "../platform/paths.ts";
import { type Dataset, datasetFile, progressFile, readDataset, readDatasetFile, requireComplete } from "./dataset.ts";

/**
 * The training or validation files that a folder's dataset.json names; undefined where there is no dataset.json.
 * InputError when they are not those of the data set: some are gone, others were added, or their tokens are not as many.
 */
export async function splitFiles(folder: string, split: "train" | "val"): Promise<string[] | undefined> {
  await requireComplete(folder);
  const dataset = await readDataset(folder);
  const part = dataset?.[split];
  if (!dataset) return undefined;
  if (!part)
    throw new InputError(
      `${folder} has no ${split} data: it was prepared without. Prepare it with llm-ts prepare --val-fraction 0.1.`,
    );
  const files = await platform.listFiles(part.file, folder);
  if (files.length === 0)
    throw new InputError(`${inFolder(folder, part.file)} does not exist. Prepare the data again (llm-ts prepare).`);
  let tokens = 0;
  for (const file of files) tokens += await tokenCount(file);
  if (tokens !== part.tokens)
    throw new InputError(
      `${inFolder(folder, part.file)} ${files.length > 1 ? `are ${files.length} files that hold` : "holds"} ${tokens} tokens, ` +
        `expected ${part.tokens} as ${inFolder(folder, datasetFile)} has it: the files are not of one data set. ` +
        "Prepare the data again (llm-ts prepare): that replaces them all.",
    );
  return files;
}

/** InputError for a token file without a loss mask whose folder's dataset.json says that only some of its tokens are learned. */
export async function requireNoMask(tokenFile: string): Promise<void> {
  const folder = folderOf(tokenFile);
  const dataset = await readDatasetFile(folder);
  const part = [dataset?.train, dataset?.val].find((one) => one?.file === nameOf(tokenFile));
  if (part?.learned === undefined) return;
  throw new InputError(
    `${maskName(tokenFile)} does not exist: by ${inFolder(folder, datasetFile)} it is the loss mask of ${tokenFile}, of whose ` +
      `${part.tokens} tokens ${part.learned} are learned. Put it back, or prepare the data again (llm-ts prepare --chat ` +
      `conversations.jsonl). To train on all tokens, remove "learned" from ${datasetFile}.`,
  );
}

async function tokenCount(path: string): Promise<number> {
  return withSource(path, async (source) => (await openTokenFile(source)).count);
}

/** Marks a folder's files as no longer, or not yet, of one data set. Called before the first of them is replaced. */
export async function beginReplacing(folder: string, progress: object = {}): Promise<void> {
  await saveText(inFolder(folder, progressFile), `${JSON.stringify(progress)}\n`);
}

/** InputError where the files of a data set cannot be written into a folder: worth knowing before long work. Makes nothing. */
export async function requirePlace(folder: string, patterns: readonly string[]): Promise<void> {
  await requireWritable(folder);
  await requireOwnFiles(folder, patterns);
}

/**
 * InputError where a folder holds files of the names, or patterns, that are to be written, and they are not of a data set that
 * `prepare` wrote there: they would be lost.
 */
export async function requireOwnFiles(folder: string, patterns: readonly string[]): Promise<void> {
  // An interrupted one has replaced some of its files.
  if ((await platform.pathKind(inFolder(folder, progressFile))) !== undefined) return;
  const advice = "Move that file away, or write into another folder: llm-ts prepare -o FOLDER.";
  const earlier = await readDatasetFile(folder).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(
      `${inFolder(folder, datasetFile)} would be replaced, and is none that llm-ts prepare wrote, or is damaged. ${advice}`,
      { cause: error },
    );
  });
  const own = earlier ? await filesOf(folder, earlier) : [];
  for (const name of await namesOf(folder, patterns))
    if (!own.includes(name))
      throw new InputError(
        `${inFolder(folder, name)} would be replaced, and ${earlier ? `${datasetFile} there does not name it` : `there is no ${datasetFile} beside it`}: ` +
          `llm-ts prepare did not write it. ${advice}`,
      );
}

/** Makes the files of a folder a data set: what an earlier one has left is removed, and dataset.json written. */
export async function completeReplacing(folder: string, dataset: Dataset, files: readonly string[]): Promise<void> {
  for (const stale of await filesOfEarlier(folder))
    if (!files.includes(stale)) await platform.removeFile(inFolder(folder, stale));
  await saveText(inFolder(folder, datasetFile), `${JSON.stringify(dataset, null, 2)}\n`);
  await platform.removeFile(inFolder(folder, progressFile));
}

/** The names of the token files that a folder's dataset.json, which is about to be replaced, names. */
async function filesOfEarlier(folder: string): Promise<string[]> {
  try {
    const earlier = await readDatasetFile(folder);
    return earlier ? await filesOf(folder, earlier) : [];
  } catch (error) {
    // One that is damaged names nothing.
    if (error instanceof InputError) return [];
    throw error;
  }
}

/** The names of the token files of a data set, and of their masks. */
async function filesOf(folder: string, { train, val }: Dataset): Promise<string[]> {
  const names = [train, val].flatMap((part) => (part?.file.endsWith(".bin") ? [part.file] : []));
  return namesOf(
    folder,
    names.flatMap((name) => [name, maskName(name)]),
  );
}

/** The names of the files in a folder that match one of the patterns. */
async function namesOf(folder: string, patterns: readonly string[]): Promise<string[]> {
  const paths = await Promise.all(patterns.map((pattern) => platform.listFiles(pattern, folder)));
  return paths.flat().map((path) => path.slice(inFolder(folder, "").length));
}
