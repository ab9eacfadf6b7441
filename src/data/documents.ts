import { platform } from "#platform";
import { InputError, NotTextError, shown, UsageError } from "../errors.ts";
import { hubTokenizerFiles } from "../format/huggingface-config.ts";
import { withSource } from "../format/source.ts";
import { blobError, nameOfBlob } from "../platform/blob-source.ts";
import { hasWildcard } from "../platform/glob.ts";
import { nameOf } from "../platform/paths.ts";
import type { ByteStream } from "../platform/platform.ts";
import { datasetFile, progressFile } from "./dataset.ts";
import { lockFileName } from "./folder-lock.ts";
import { holdsItems } from "./items.ts";
import { formatByExtension, isBin, likelyEncoding, whatItIs } from "./not-text.ts";

/** A text: a file, standard input, or something in memory. Opened when its turn comes. */
export interface Document {
  /** For messages: the path, file name or "standard input". */
  readonly name: string;
  /** Unknown for standard input and pipes. */
  readonly size: number | undefined;
  open(): Promise<ByteStream>;
}

/** The files that inputs name, by what they hold. */
export interface InputFiles {
  /** Plain texts, in order. */
  readonly texts: readonly Document[];
  /** Paths of .jsonl and .parquet files, in order. */
  readonly items: readonly string[];
  /** Everything else in folders: other files, pipes, sockets and devices. */
  readonly leftOut: readonly string[];
}

/** The texts of files, folders, globs, "-" and Blobs. Of a folder: all files in it, in order of their paths. */
export async function findInputs(inputs: readonly (string | Blob)[]): Promise<InputFiles> {
  const texts: Document[] = [];
  const items: string[] = [];
  const leftOut: string[] = [];
  for (const input of inputs) {
    if (typeof input !== "string") texts.push(await requireNoBin(inBlob(input), input));
    else if (input === "-")
      texts.push({ name: "standard input", size: undefined, open: () => platform.openStream("-") });
    else if ((await platform.pathKind(input)) === "folder") {
      const before = texts.length + items.length;
      for (const file of await platform.listFiles("**", input, (path) => leftOut.push(path))) {
        if (holdsItems(file)) items.push(file);
        else if (await isText(file)) texts.push(await inFile(file));
        else leftOut.push(file);
      }
      if (texts.length + items.length === before)
        throw new InputError(`${input} holds no text files. Name a folder that does, or the files themselves.`);
    } else
      for (const file of hasWildcard(input) ? await matching(input) : [input]) {
        if (holdsItems(file)) items.push(await existing(file));
        else texts.push(await requireNoBin(await inFile(file), file));
      }
  }
  return { texts, items, leftOut };
}

/** UsageError for what is no list of texts, `what`: paths, and with `blobs` Blobs. An empty path would be the current folder. */
export function requireInputs(what: string, inputs: readonly (string | Blob)[], blobs: boolean): void {
  const isInput = (input: unknown) => (typeof input === "string" ? input !== "" : blobs && input instanceof Blob);
  if (!Array.isArray(inputs) || !inputs.every(isInput))
    throw new UsageError(`${what} are ${shown(inputs)}, expected a list of paths${blobs ? " or Blobs" : ""}.`);
  requireStdinOnce(inputs);
}

/** UsageError for inputs that name standard input twice: the second would be empty. */
export function requireStdinOnce(inputs: readonly (string | Blob)[]): void {
  if (inputs.indexOf("-") < inputs.lastIndexOf("-"))
    throw new UsageError('Standard input ("-") is named twice, and can be read once. Name it once.');
}

/** The plain texts that inputs name. InputError where there are files of documents with fields. */
export async function findDocuments(inputs: readonly (string | Blob)[]): Promise<readonly Document[]> {
  const { texts, items } = await findInputs(inputs);
  const fields = items[0] ?? texts.find(({ name }) => holdsItems(name))?.name;
  if (fields === undefined) return texts;
  throw new InputError(
    `${fields} holds documents with fields, and no plain text. The command llm-ts prepare takes the text of a field.`,
  );
}

/** InputError for a document whose name ends in .bin: it is never a text. */
async function requireNoBin(document: Document, input: string | Blob): Promise<Document> {
  const { name } = document;
  if (!isBin(name)) return document;
  const start = await withSource(input, (source) => source.read(0, Math.min(source.size, beginning)));
  const what = await whatItIs(start, name);
  throw new NotTextError(`${name} is not text, but ${what ?? "by its name a file of numbers (.bin)"}.`, { name, what });
}

function inBlob(blob: Blob): Document {
  const name = nameOfBlob(blob);
  const chunks = async function* () {
    try {
      yield* blob.stream();
    } catch (error) {
      throw blobError(name, error);
    }
  };
  return { name, size: blob.size, open: async () => ({ name, size: blob.size, [Symbol.asyncIterator]: chunks }) };
}

async function inFile(path: string): Promise<Document> {
  const { size } = await platform.openStream(path);
  return { name: path, size, open: () => platform.openStream(path) };
}

async function existing(path: string): Promise<string> {
  if ((await platform.pathKind(path)) === undefined) throw new InputError(`${path} does not exist. Check the path.`);
  return path;
}

async function matching(pattern: string): Promise<string[]> {
  const files = await platform.listFiles(pattern);
  if (files.length === 0) throw new InputError(`No file matches ${pattern}. Check the path.`);
  return files;
}

/** Bytes that identify the format of a file. */
const beginning = 8192;

const written: readonly string[] = [datasetFile, progressFile, lockFileName, ...hubTokenizerFiles];

/** Text has no zero bytes, but in UTF-16. What an earlier `prepare` wrote into the folder, tokenizers too, is not text either. */
async function isText(file: string): Promise<boolean> {
  if (isBin(file) || written.includes(nameOf(file))) return false;
  const start = await withSource(file, (source) => source.read(0, Math.min(source.size, beginning)));
  if (!start.includes(0)) return start.length > 0;
  return (await formatByExtension(start, file)) === undefined && (await likelyEncoding(start)) !== undefined;
}
