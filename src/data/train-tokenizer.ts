/** Training a tokenizer of one's own on texts: files, folders, what a page was given, or documents from anywhere. */
import { InputError, shown, UsageError } from "../errors.ts";
import { type OptionNames, requireFolder, requireOptions, requireType } from "../option-names.ts";
import { huggingFaceTokenizer } from "../tokenizer/huggingface.ts";
import { trainedFiles, visible } from "../tokenizer/huggingface-files.ts";
import { PieceCounts } from "../tokenizer/piece-counts.ts";
import { type PiecePattern, piecePatterns } from "../tokenizer/pieces.ts";
import { requireTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { byteAlphabet } from "../tokenizer/tokenizer-json.ts";
import { type BpeVocabulary, trainBpe } from "../tokenizer/train-bpe.ts";
import { type Document, findDocuments, requireInputs } from "./documents.ts";
import { inLockedFolder } from "./folder-lock.ts";
import { shakespeareDocument } from "./prepare.ts";
import { readText, requireEncoding } from "./text.ts";
import { dataTokenizer, planTokenizer } from "./tokenizer-files.ts";

export interface TrainTokenizerOptions {
  /** Size of the vocabulary, the 256 bytes and the special tokens included. */
  readonly vocabSize: number;
  /** Fewer tokens are enough where the text gives no more. Default: they are an InputError. */
  readonly orFewer?: boolean;
  /** The split of text into pieces, over whose borders no token reaches. Default: gpt2. */
  readonly pattern?: PiecePattern;
  /** Tokens that get the first ids and are never made of text; the first ends a text. Default: <|endoftext|>. */
  readonly special?: readonly string[];
  /** A pair of tokens that occurs less often makes no token. Default: 2. */
  readonly minFrequency?: number;
  /** Encoding of the texts, under a name that TextDecoder accepts; default UTF-8. */
  readonly encoding?: string;
  /** `share`: 0 to 1 of the phase. */
  readonly onProgress?: (phase: "reading" | "merging", share: number) => void;
}

const trainTokenizerOptions: OptionNames<TrainTokenizerOptions> = {
  vocabSize: true,
  orFewer: true,
  pattern: true,
  special: true,
  minFrequency: true,
  encoding: true,
  onProgress: true,
};

export interface TrainedTokenizer {
  readonly tokenizer: Tokenizer;
  /** Of the training text: its bytes in UTF-8, and its tokens. */
  readonly bytes: number;
  readonly tokens: number;
}

const bytes = 256;
const mostTokens = 1 << 20;

/**
 * Trains a byte-level BPE on texts: files, folders, globs, "tinyshakespeare", "-" for standard input, Blobs; or documents that
 * come one by one. The merges are those of Hugging Face's BpeTrainer for the same settings. UsageError for sizes out of range,
 * InputError when the texts cannot be read, or give fewer tokens than asked for.
 */
export async function trainTokenizer(
  inputs: readonly (string | Blob)[] | AsyncIterable<string>,
  options: TrainTokenizerOptions,
): Promise<TrainedTokenizer> {
  requireOptions("trainTokenizer", options, trainTokenizerOptions);
  const { vocabSize, pattern = "gpt2", special = ["<|endoftext|>"], minFrequency = 2, onProgress } = options;
  const isStream = typeof inputs === "object" && inputs !== null && Symbol.asyncIterator in inputs;
  if (!Array.isArray(inputs) && !isStream)
    throw new UsageError(`The texts are ${shown(inputs)}, expected an array of paths, or an iterable of texts.`);
  if (Array.isArray(inputs)) requireInputs("The texts", inputs, true);
  requireType("boolean", { orFewer: options.orFewer });
  requireType("function", { onProgress });
  check({ ...options, pattern, special, minFrequency });
  const pieces = await countPieces(inputs, pattern, options);
  if (pieces.size === 0) throw new InputError("The texts are empty. Give a text to learn from.");
  const first = special.length + bytes;
  const vocabulary = await trainBpe(pieces, {
    vocabSize,
    special,
    minFrequency,
    onProgress: (tokens) => onProgress?.("merging", (tokens - first) / (vocabSize - first)),
  });
  requireDistinct(special, vocabulary.tokens.slice(special.length).map(visible));
  if (vocabulary.tokens.length < vocabSize && !options.orFewer)
    throw new InputError(
      `The text gives ${vocabulary.tokens.length} tokens, and ${vocabSize} were asked for: no other pair occurs ` +
        `${minFrequency} times. Ask for ${vocabulary.tokens.length} or fewer, or give more text.`,
    );
  return { tokenizer: await asTokenizer(vocabulary, special, pattern), ...sizesOf(pieces, vocabulary) };
}

/** Writes tokenizer.json, tokenizer_config.json, vocab.json with merges.txt, and llm.c's tokenizer.bin; says which. The folder is made. */
export async function writeTokenizer(folder: string, tokenizer: Tokenizer): Promise<readonly string[]> {
  requireFolder("The folder", folder);
  requireTokenizer(tokenizer);
  return inLockedFolder(folder, async (requireLock) => {
    const plan = await planTokenizer(folder, dataTokenizer(tokenizer), [], "none");
    await requireLock();
    await plan.write();
    return plan.names;
  });
}

function check({
  vocabSize,
  pattern,
  special,
  minFrequency,
  encoding,
}: TrainTokenizerOptions & Required<Pick<TrainTokenizerOptions, "pattern" | "special" | "minFrequency">>): void {
  if (!Array.isArray(special) || special.some((token) => typeof token !== "string"))
    throw new UsageError(`special is ${shown(special)}, expected an array of texts.`);
  const least = bytes + special.length;
  if (!Number.isInteger(vocabSize) || vocabSize < least || vocabSize > mostTokens)
    throw new UsageError(
      `The vocabulary is ${shown(vocabSize)}, expected a whole number from ${least} (the ${bytes} bytes, and ${special.length} ` +
        `special) to ${mostTokens}.`,
    );
  if (!Object.hasOwn(piecePatterns, pattern))
    throw new UsageError(`The pattern is ${shown(pattern)}, expected ${Object.keys(piecePatterns).join(" or ")}.`);
  const twice = special.find((token, i) => token === "" || special.indexOf(token) < i);
  if (twice !== undefined)
    throw new UsageError(`The special token "${twice}" is ${twice === "" ? "empty" : "there twice"}. Leave it out.`);
  if (!Number.isInteger(minFrequency) || minFrequency < 1)
    throw new UsageError(`The least frequency is ${shown(minFrequency)}, expected a whole number from 1.`);
  if (encoding !== undefined) requireEncoding(encoding);
  requireDistinct(special, [...byteAlphabet().keys()]);
}

/** UsageError for a special token that is one of these names of others: in the files it would be the same token. */
function requireDistinct(special: readonly string[], others: readonly string[]): void {
  const taken = special.find((token) => others.includes(token));
  if (taken !== undefined)
    throw new UsageError(
      `The special token "${taken}" is also what vocab.json calls another token, which is made of text. Choose a name that ` +
        `no text makes, like <|${taken}|>.`,
    );
}

async function countPieces(
  inputs: readonly (string | Blob)[] | AsyncIterable<string>,
  pattern: PiecePattern,
  { encoding, onProgress }: TrainTokenizerOptions,
): Promise<ReadonlyMap<string, number>> {
  const pieces = new PieceCounts(piecePatterns[pattern].endOf);
  if (!("length" in inputs)) {
    for await (const text of inputs) {
      pieces.push(text);
      pieces.end();
    }
    return pieces.counts;
  }
  const isBundled = inputs.length === 1 && inputs[0] === "tinyshakespeare";
  const documents = isBundled ? [await shakespeareDocument()] : await findDocuments(inputs);
  for (const [i, document] of documents.entries()) {
    const onShare = (share: number) => onProgress?.("reading", (i + share) / documents.length);
    for await (const text of textOf(document, encoding, onShare)) pieces.push(text);
    pieces.end();
  }
  return pieces.counts;
}

async function* textOf(document: Document, encoding: string | undefined, onShare: (share: number) => void) {
  let done = 0;
  const onBytes = (chunk: Uint8Array) => {
    done += chunk.length;
    onShare(document.size === undefined ? 0 : Math.min(1, done / document.size));
  };
  yield* readText(await document.open(), { encoding, onBytes });
}

async function asTokenizer(vocabulary: BpeVocabulary, special: readonly string[], pattern: PiecePattern) {
  const tokenizer = await huggingFaceTokenizer(trainedFiles(vocabulary, special, pattern));
  if (tokenizer) return tokenizer;
  throw new Error("the files of a trained tokenizer hold one");
}

function sizesOf(pieces: ReadonlyMap<string, number>, { tokenCount }: BpeVocabulary) {
  const encoder = new TextEncoder();
  let size = 0;
  for (const [piece, count] of pieces) size += count * encoder.encode(piece).length;
  return { bytes: size, tokens: tokenCount };
}
