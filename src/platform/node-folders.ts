/** Folders that are made where they are missing. */
import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { InputError } from "../errors.ts";
import { errorCode, explain } from "./node-errors.ts";

/**
 * Makes a folder and those above it. Node's own `recursive: true` never returns where a file system answers ENOENT to
 * mkdir although the parent exists, as /proc does: its loop outlives even process.exit.
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let place = resolve(path); !(await isFolder(place)) && dirname(place) !== place; place = dirname(place))
    missing.unshift(place);
  for (const place of missing) await makeOne(place);
}

/** Makes a folder in an existing one; false if the path exists already. */
export async function makeNewFolder(path: string): Promise<boolean> {
  await makeFolder(dirname(path));
  return makeInside(path);
}

/** Makes a folder in one that exists; another process may be making the same one. */
async function makeOne(path: string): Promise<void> {
  if ((await makeInside(path)) || (await isFolder(path))) return;
  const isThere = await stat(path).catch(() => undefined);
  throw new InputError(
    isThere
      ? `${path} is a file. Give the name of a folder.`
      : `${path} is a link to a folder that does not exist. Make that folder, remove the link, or choose another name.`,
  );
}

async function makeInside(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw errorCode(error) === "ENOENT" ? takesNothing(path, error) : explain(path, error);
  }
}

export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return false;
    throw explain(path, error);
  }
}

/** ENOENT for something new in a folder that exists: file systems such as /proc answer so. */
export function takesNothing(path: string, cause?: unknown): InputError {
  return new InputError(`${path} cannot be made: ${dirname(path)} takes no new files or folders. Use another folder.`, {
    cause,
  });
}
