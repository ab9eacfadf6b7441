/** Paths in the storage that a browser keeps for each site: the "origin private file system", OPFS. */
import { InputError } from "../errors.ts";
import { explain, explained, isDomError } from "./browser-errors.ts";

/** True for paths in OPFS. All others are URLs and the names of downloads. */
export function isStored(input: unknown): input is string {
  return typeof input === "string" && /^opfs:(\/|$)/.test(input);
}

/** The names on the way to a file or folder: none for opfs:/ itself. */
export function namesIn(path: string): string[] {
  if (!isStored(path))
    throw new InputError(
      `${path} cannot be used here: a page in a browser has no files but those in the browser's storage, whose paths ` +
        "begin with opfs:/, and single, whole files that it downloads.",
    );
  const names = path.split("/").slice(1);
  const bad = names.find((name) => name === "." || name === ".." || name.includes("\\"));
  if (bad !== undefined)
    throw new InputError(`${path}: "${bad}" cannot be in a path of the browser's storage. Write the path without it.`);
  return names.filter((name) => name !== "");
}

/** Kept: each time that it is asked for, several of the browser's processes talk to each other. */
let root: Promise<FileSystemDirectoryHandle> | undefined;

async function storage(): Promise<FileSystemDirectoryHandle> {
  if (typeof globalThis.navigator?.storage?.getDirectory !== "function")
    throw new InputError(
      "This page cannot keep files: the browser is too old for it, or the page's address is neither https:// nor " +
        "localhost. Use a newer browser, or another address.",
    );
  root ??= explained("opfs:/", () => navigator.storage.getDirectory()).catch((error) => {
    // Denied now is not denied for ever.
    root = undefined;
    throw error;
  });
  return root;
}

/** True where the files are in this worker's memory, which no other tab has. */
export let isInMemory = false;

/** Looks `navigator.storage` up once more, which is one in this worker's memory now. */
export function useMemory(): void {
  root = undefined;
  isInMemory = true;
}

export async function findFolder(names: readonly string[]): Promise<FileSystemDirectoryHandle | undefined> {
  let folder = await storage();
  try {
    for (const name of names) folder = await folder.getDirectoryHandle(name);
    return folder;
  } catch (error) {
    if (isDomError(error, "NotFoundError", "TypeMismatchError")) return undefined;
    throw error;
  }
}

export async function makeFolder(path: string): Promise<void> {
  const names = namesIn(path);
  try {
    let folder = await storage();
    for (const name of names) folder = await folder.getDirectoryHandle(name, { create: true });
  } catch (error) {
    if (isDomError(error, "TypeMismatchError"))
      throw new InputError(`${path} is a file, or a part of the path is one. Give the name of a folder.`);
    throw explain(path, error);
  }
}

/** A name, and the folder that it is in or could be in. */
export interface Place {
  readonly folder: FileSystemDirectoryHandle;
  readonly name: string;
}

/** InputError when that folder does not exist. */
export async function placeOf(path: string): Promise<Place> {
  const names = namesIn(path);
  const name = names.pop();
  if (name === undefined) throw new InputError(`${path} is a folder, where a file is expected. Name a file in it.`);
  const folder = await explained(path, () => findFolder(names));
  if (folder) return { folder, name };
  throw new InputError(`The folder opfs:/${names.join("/")} does not exist. Check the path, or create it.`);
}

/** Kind of the entry at a path. */
export async function kindAt({ folder, name }: Place): Promise<"file" | "folder" | undefined> {
  try {
    await folder.getFileHandle(name);
    return "file";
  } catch (error) {
    if (isDomError(error, "TypeMismatchError")) return "folder";
    if (isDomError(error, "NotFoundError")) return undefined;
    throw error;
  }
}

export async function fileAt(path: string): Promise<FileSystemFileHandle> {
  const { folder, name } = await placeOf(path);
  return explained(path, () => folder.getFileHandle(name));
}
