import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { withSource } from "../format/source.ts";
import { nameOfBlob } from "../platform/blob-source.ts";
import { hasWildcard } from "../platform/glob.ts";
import type { ByteStream } from "../platform/platform.ts";
import { datasetFile } from "./dataset.ts";

/** A text: a file, standard input, or something in memory. Opened when its turn comes. */
export interface Document {
  /** Unknown for standard input and pipes. */
  readonly size: number | undefined;
  open(): Promise<ByteStream>;
}

/** The documents that files, folders, globs and "-" name, and Blobs hold, in order. Of a folder: all text files, sorted. */
export async function findDocuments(inputs: readonly (string | Blob)[]): Promise<Document[]> {
  const documents: Document[] = [];
  for (const input of inputs) {
    if (typeof input !== "string") documents.push(inBlob(input));
    else if (input === "-") documents.push({ size: undefined, open: () => platform.openStream("-") });
    else if ((await platform.pathKind(input)) === "folder") documents.push(...(await inFolders(input)));
    else if (hasWildcard(input)) documents.push(...(await matching(input)));
    else documents.push(await inFile(input));
  }
  return documents;
}

function inBlob(blob: Blob): Document {
  const name = nameOfBlob(blob);
  const chunks = async function* () {
    try {
      yield* blob.stream();
    } catch (error) {
      throw new InputError(`${name} can no longer be read: it was changed or moved. Choose it again.`, {
        cause: error,
      });
    }
  };
  return { size: blob.size, open: async () => ({ name, size: blob.size, [Symbol.asyncIterator]: chunks }) };
}

async function inFile(path: string): Promise<Document> {
  const { size } = await platform.openStream(path);
  return { size, open: () => platform.openStream(path) };
}

async function matching(pattern: string): Promise<Document[]> {
  const files = await platform.listFiles(pattern);
  if (files.length === 0) throw new InputError(`No file matches ${pattern}. Check the path.`);
  return Promise.all(files.map(inFile));
}

async function inFolders(folder: string): Promise<Document[]> {
  const documents: Document[] = [];
  for (const file of await platform.listFiles("**", folder)) if (await isText(file)) documents.push(await inFile(file));
  if (documents.length === 0)
    throw new InputError(`${folder} holds no text files. Name a folder that does, or the files themselves.`);
  return documents;
}

/** Text has no zero bytes. What an earlier `prepare` wrote into the folder is no text either. */
async function isText(file: string): Promise<boolean> {
  if (file.endsWith(`/${datasetFile}`)) return false;
  return withSource(
    file,
    async (source) => source.size > 0 && !(await source.read(0, Math.min(source.size, 8192))).includes(0),
  );
}
