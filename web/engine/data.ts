/** Training data of a tab: texts and token files, prepared in folders of its storage. */
import { platform } from "#platform";
import { findTokenizer, readDataset } from "../../src/data/dataset.ts";
import {
  type PrepareOptions,
  type PrepareProgress,
  prepareText,
  prepareTinyshakespeare,
} from "../../src/data/prepare.ts";
import { trainTokenizer } from "../../src/data/train-tokenizer.ts";
import { InputError, UsageError } from "../../src/errors.ts";
import { withSource } from "../../src/format/source.ts";
import { openTokenFile } from "../../src/format/tokens.ts";
import { inFolder } from "../../src/platform/paths.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { classify, requireSpace, requireTexts } from "./data-files.ts";
import type { DataInput, DataSummary, StorageInfo, TextTokenizer, TokenizerName } from "./protocol.ts";
import { copyTokens } from "./token-files.ts";

/** Data in a folder, ready to train on. */
export interface Prepared {
  readonly folder: string;
  readonly summary: DataSummary;
  /** Undefined for token files without a known tokenizer. */
  readonly tokenizer: Tokenizer | undefined;
}

export interface Preparing {
  /** Folder of all data. */
  readonly root: string;
  readonly storage: StorageInfo;
  /** The loaded model's tokenizer. */
  readonly model: Tokenizer | undefined;
  readonly onProgress: (share: number) => void;
  readonly signal: AbortSignal;
}

/** `source` in dataset.json for a pasted text. */
const pasted = "pasted text";
const shakespeare = "tiny Shakespeare";
const shakespeareBytes = 1.1e6;

/** Prepares data in a folder of its own, which is removed if that fails or `signal` aborts it. */
export async function prepareData(input: DataInput, preparing: Preparing): Promise<Prepared> {
  if (input.kind === "shakespeare") {
    if (input.tokenizer !== "model" && input.tokenizer !== "bpe") return prepareShakespeare(input.tokenizer, preparing);
    const options = await optionsFor(input.tokenizer, ["tinyshakespeare"], preparing);
    return inNewFolder(preparing.root, (folder) => prepareTinyshakespeare(folder, options));
  }
  const files = input.kind === "files" ? input.files : [new File([input.text], pasted)];
  const dropped = input.kind === "files" ? await classify(files) : ({ kind: "texts", texts: files } as const);
  if (dropped.kind === "texts") {
    await requireTexts(dropped.texts, input.tokenizer, preparing.storage);
    const options = await optionsFor(input.tokenizer, dropped.texts, preparing);
    return inNewFolder(preparing.root, (folder) => prepareText(dropped.texts, folder, options));
  }
  requireSpace(dropped.train.size + (dropped.val?.size ?? 0), preparing.storage);
  const prepared = await inNewFolder(preparing.root, (folder) => copyTokens(dropped, folder, preparing));
  return { ...prepared, summary: { ...prepared.summary, hasOwnTokens: true } };
}

/** Subwords are trained on the texts first, which is the first half of the progress. */
async function optionsFor(
  name: TextTokenizer,
  texts: readonly (string | Blob)[],
  preparing: Preparing,
): Promise<PrepareOptions> {
  if (name === "model") return { tokenizer: requireTokenizer(preparing), onProgress: progressOf(preparing) };
  if (name !== "bpe") return { tokenizer: name, onProgress: progressOf(preparing) };
  const { onProgress, signal } = preparing;
  const { tokenizer } = await trainTokenizer(texts, {
    vocabSize: subwordsFor(texts),
    orFewer: true,
    onProgress: (phase, share) => {
      signal.throwIfAborted();
      onProgress((phase === "reading" ? 0 : 0.25) + share / 4);
    },
  });
  const second = progressOf({ ...preparing, onProgress: (share) => onProgress(0.5 + share / 2) });
  return { tokenizer, onProgress: second };
}

/**
 * Size of a vocabulary for texts: a token for some 500 bytes, so that a small model sees each of them often enough, rounded
 * to a power of two from 512 to 8192. 2048 for tiny Shakespeare.
 */
function subwordsFor(texts: readonly (string | Blob)[]): number {
  const bytes = texts.reduce((sum, text) => sum + (typeof text === "string" ? shakespeareBytes : text.size), 0);
  return Math.min(8192, Math.max(512, 2 ** Math.round(Math.log2(bytes / 500))));
}

/** The loaded model's tokenizer; UsageError when there is none. */
function requireTokenizer({ model }: Preparing): Tokenizer {
  if (model && model.kind !== "unknown") return model;
  throw new UsageError(
    "There is no model with a tokenizer that can encode text. Open one, with its tokenizer's files.",
  );
}

const sharedPrefix = "tinyshakespeare-";

/** True if the folder holds the bundled text, which all tabs share and none removes. */
export function isSharedData(folder: string): boolean {
  return folder.includes(`/${sharedPrefix}`);
}

async function prepareShakespeare(tokenizer: TokenizerName, preparing: Preparing): Promise<Prepared> {
  const folder = inFolder(preparing.root, `${sharedPrefix}${tokenizer}`);
  if (!(await readDataset(folder).catch(() => undefined))) {
    requireSpace(3e6, preparing.storage);
    await prepareTinyshakespeare(folder, { tokenizer, onProgress: progressOf(preparing) });
  }
  return openPrepared(folder);
}

async function inNewFolder(root: string, fill: (folder: string) => Promise<unknown>): Promise<Prepared> {
  // crypto.randomUUID exists on https:// and localhost only.
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  const folder = inFolder(root, random.toString(16).padStart(8, "0"));
  try {
    await platform.makeFolder(folder);
    await fill(folder);
    return await openPrepared(folder);
  } catch (error) {
    await platform.removeFolder(folder).catch(() => {});
    throw error;
  }
}

/** Reports progress, and throws when the signal is aborted: preparing can be cancelled nowhere else. */
function progressOf({ onProgress, signal }: Preparing): (progress: PrepareProgress) => void {
  return ({ bytesDone, bytesTotal = bytesDone }) => {
    signal.throwIfAborted();
    onProgress(bytesDone / bytesTotal);
  };
}

/** Opens data that was prepared earlier. InputError when it is missing or damaged. */
export async function openPrepared(folder: string): Promise<Prepared> {
  const dataset = await readDataset(folder);
  if (!dataset) throw new InputError(`The data in ${folder} is no longer there. Prepare it again.`);
  const { source, bytes, vocabSize, train, val } = dataset;
  const tokenizer = await findTokenizer(folder);
  const name = tokenizerName(dataset.tokenizer);
  return {
    folder,
    tokenizer: tokenizer?.kind === "unknown" ? undefined : tokenizer,
    summary: {
      name: source === pasted ? "" : source,
      kind: source === pasted ? "text" : source === shakespeare ? "shakespeare" : "files",
      tokenizer: name,
      bytes,
      vocabSize,
      trainTokens: train.tokens,
      valTokens: val?.tokens ?? 0,
      preview: tokenizer ? await previewOf(inFolder(folder, train.file), tokenizer) : "",
    },
  };
}

function tokenizerName(kind: string): DataSummary["tokenizer"] {
  return kind === "char" || kind === "byte" || kind === "gpt2" || kind === "huggingface" ? kind : "unknown";
}

/** Most characters of a preview, and most tokens read for it. */
const previewLength = 600;

function previewOf(path: string, tokenizer: Tokenizer): Promise<string> {
  return withSource(path, async (source) => {
    const file = await openTokenFile(source);
    const tokens = await file.read(0, Math.min(previewLength, file.count));
    return tokenizer
      .decode(tokens.filter((token) => token >= 0 && token < tokenizer.vocabSize))
      .slice(0, previewLength);
  });
}
