import { rmSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "#platform";
import { findTokenizer, readDataset, tokenizerFile } from "../../data/dataset.ts";
import { prepareTinyshakespeare } from "../../data/prepare.ts";
import { InputError } from "../../errors.ts";
import { withSource } from "../../format/source.ts";
import { cacheFolder } from "../../platform/node-cache.ts";
import { removeLeftovers, temporaryFor } from "../../platform/node-temporary.ts";
import { inFolder } from "../../platform/paths.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

/** Token files of a run, and their tokenizer. */
export interface DataChoice {
  /** For people. */
  readonly name: string;
  readonly train: string;
  /** Without it there is no validation. */
  readonly val?: string;
  readonly tokenizer?: Tokenizer;
  /** Of tiny Shakespeare: its tokens. */
  readonly kind?: Kind;
}

export type Kind = "gpt2" | "char";

/** sha256 of the training file, the validation file and the tokenizer, one after the other. */
const contents: Record<Kind, string> = {
  gpt2: "dc03123dc02774863098f17658dda154ac841b55b82f034d3165b5a32339e9a1",
  char: "80c112396da79db0564d309abb8353253cada4b77ed0f997052fe1e83588e8e9",
};

const names: Record<Kind, string> = {
  gpt2: "tiny Shakespeare (GPT-2's tokens)",
  char: "tiny Shakespeare (characters)",
};

/** Tiny Shakespeare as token files in the cache; they are made from the bundled text where they are not there yet. */
export async function defaultData(kind: Kind, onProgress: (share: number) => void): Promise<DataChoice> {
  const cache = cacheFolder();
  const folder = join(cache, `tinyshakespeare-${kind}`);
  if (!(await isWhole(folder, kind))) {
    try {
      await platform.makeFolder(cache);
      await fill(folder, kind, onProgress);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new InputError(`${error.message} (It is for the prepared data; LLM_TS_CACHE names another cache folder.)`);
    }
  }
  return { name: names[kind], train: folder, val: folder, tokenizer: await findTokenizer(folder), kind };
}

/** The files appear under their folder's name all at once: another run may be doing the same. */
async function fill(folder: string, kind: Kind, onProgress: (share: number) => void): Promise<void> {
  await removeLeftovers(folder);
  const temporary = temporaryFor(folder);
  const removeTemporary = () => rmSync(temporary, { recursive: true, force: true });
  process.on("exit", removeTemporary);
  try {
    await mkdir(temporary);
    await prepareTinyshakespeare(temporary, {
      tokenizer: kind,
      onProgress: ({ bytesDone, bytesTotal }) => onProgress(bytesDone / (bytesTotal ?? bytesDone)),
    });
    if (await isWhole(folder, kind)) return;
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder).catch(async (error: unknown) => {
      if (!(await isWhole(folder, kind))) throw error;
    });
  } finally {
    removeTemporary();
    process.off("exit", removeTemporary);
  }
}

async function isWhole(folder: string, kind: Kind): Promise<boolean> {
  try {
    const dataset = await readDataset(folder);
    if (dataset?.tokenizer !== kind || !dataset.val) return false;
    const hash = await platform.sha256();
    for (const name of [dataset.train.file, dataset.val.file, tokenizerFile])
      hash.update(await withSource(inFolder(folder, name), (source) => source.read(0, source.size)));
    return hash.digest() === contents[kind];
  } catch (error) {
    // Damaged or half removed: it is made again.
    if (error instanceof InputError) return false;
    throw error;
  }
}
