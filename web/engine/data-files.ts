/** Dropped files of training data: their kinds, and checks before they are read. */
import { encodingInWords, likelyEncoding, whatItIs } from "../../src/data/not-text.ts";
import { InputError, UsageError } from "../../src/errors.ts";
import { identify } from "../../src/format/identify.ts";
import { withSource } from "../../src/format/source.ts";
import { isHubFile } from "./dropped-tokenizer.ts";
import type { StorageInfo, TextTokenizer } from "./protocol.ts";

/** Classified files, in the order in which they were dropped. */
export type DroppedFiles =
  | { readonly kind: "texts"; readonly texts: readonly File[] }
  | {
      readonly kind: "tokens";
      readonly train: File;
      readonly val?: File;
      readonly tokenizer?: File;
      /** dataset.json, and files of a tokenizer of the hub's. */
      readonly beside: readonly File[];
    };

const otherFormats: Readonly<Record<string, string>> = {
  model: "a model: open it, to write with it or train it on",
  safetensors: "a model: open it, to write with it or train it on",
  state: "a debug state of llm.c's",
  optimizer: "the state of an optimizer",
  hellaswag: "the HellaSwag questions",
};

/** Finds out what the files are; UsageError or InputError for files that cannot be trained on together. */
export async function classify(files: readonly File[]): Promise<DroppedFiles> {
  if (files.length === 0) throw new UsageError("No file was given. Choose a text, or a token file of llm.c's.");
  const formats = await Promise.all(files.map((file) => withSource(file, identify)));
  const of = (...wanted: readonly string[]) => files.filter((_, i) => wanted.includes(formats[i] ?? "text"));
  for (const [i, format] of formats.entries()) {
    const what = otherFormats[format ?? ""];
    if (what) throw new InputError(`${files[i].name} is ${what}. For training, choose a text or a token file.`);
  }
  const tokens = of("tokens", "tokens32");
  const [tokenizer] = of("tokenizer");
  if (tokens.length === 0 && tokenizer)
    throw new InputError(`${tokenizer.name} is a tokenizer, and belongs to a token file: choose both together.`);
  if (tokens.length === 0) return { kind: "texts", texts: files };
  const beside = files.filter((file) => file.name === "dataset.json" || isHubFile(file));
  const texts = of("text", "json").filter((file) => !beside.includes(file));
  if (texts.length > 0)
    throw new UsageError(`${texts[0].name} is a text, and ${tokens[0].name} a token file. Choose one kind at a time.`);
  const isVal = ({ name }: File) => /val/i.test(name);
  const [train = tokens[0], ...more] = tokens.filter((file) => !isVal(file));
  if (more.length > 0)
    throw new UsageError(
      `${train.name} and ${more[0].name} are both training data. Choose one, and for validation one with val in its name.`,
    );
  return { kind: "tokens", train, val: tokens.find((file) => isVal(file) && file !== train), tokenizer, beside };
}

/**
 * Bytes of the largest text. At 100,000 tokens a second a tab sees no more of it in three hours; larger texts can be
 * prepared with the command, and dropped as token files.
 */
export const maxTextBytes = 1e9;

/** Bytes of token files for each byte of text: two per token, and the validation part exists twice for a moment. */
const growth: Readonly<Record<TextTokenizer, number>> = { char: 2.2, byte: 2.2, bpe: 1.1, gpt2: 1.1, model: 2.2 };

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6).toLocaleString("en-US")} MB`;

/** InputError for texts that are too large for a tab or its storage, and for files that are no texts. */
export async function requireTexts(texts: readonly File[], kind: TextTokenizer, storage: StorageInfo): Promise<void> {
  const bytes = texts.reduce((sum, { size }) => sum + size, 0);
  if (bytes > maxTextBytes)
    throw new InputError(
      `The text has ${megabytes(bytes)}, and ${megabytes(maxTextBytes)} is the most that is prepared in a tab. Prepare it with ` +
        "the command (llm-ts prepare), and choose the token file that it writes.",
    );
  requireSpace(growth[kind] * bytes, storage);
  for (const text of texts) await requireText(text);
}

/** InputError if the storage is known to have less than `bytes` free. */
export function requireSpace(bytes: number, { used = 0, quota = Number.POSITIVE_INFINITY }: StorageInfo): void {
  if (used + bytes <= quota) return;
  throw new InputError(
    `This needs ${megabytes(bytes)} in the browser's storage, which has ${megabytes(Math.max(0, quota - used))} left. Remove ` +
      "runs that are no longer needed, or choose less text.",
  );
}

/** Bytes at a text's start that are checked. */
const checkedBytes = 1 << 16;

/** InputError for a file that is not text: texts have no zero bytes, and few control characters. */
async function requireText(file: File): Promise<void> {
  const start = await withSource(file, (source) => source.read(0, Math.min(source.size, checkedBytes)));
  const zero = start.indexOf(0);
  const controls = start.filter((byte) => byte < 32 && (byte < 7 || byte > 13) && byte !== 27).length;
  if (zero < 0 && controls <= start.length / 50) return;
  const encoding = await likelyEncoding(start);
  if (encoding) throw new InputError(`${file.name} is a text in ${encodingInWords(encoding)}. Save it as UTF-8.`);
  const what = await whatItIs(start, file.name);
  const why =
    zero < 0 ? `${controls} of its first ${start.length} bytes are control characters` : `byte ${zero} is zero`;
  throw new InputError(
    `${file.name} is not text${what ? `, but ${what}` : `: ${why}`}. Choose a text in UTF-8, or a token file of llm.c's.`,
  );
}
