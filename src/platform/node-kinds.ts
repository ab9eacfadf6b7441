/**
 * The kind of a path, checked before it is opened: opening a pipe waits for its other end, in a thread that no
 * signal reaches, and then not even process.exit ends the program.
 */
import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { InputError } from "../errors.ts";
import { errorCode, explain, explained } from "./node-errors.ts";
import type { PathKind } from "./platform.ts";

export async function pathKind(path: string): Promise<PathKind | undefined> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) return "folder";
    return info.isFile() ? "file" : "special";
  } catch (error) {
    // A link that leads in a circle is like one that leads nowhere.
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) return undefined;
    throw explain(path, error);
  }
}

/** InputError if a path is not a file; undefined if it does not exist. */
export async function fileInfo(path: string): Promise<Stats | undefined> {
  const info = await stat(path).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw explain(path, error);
  });
  if (info && !info.isFile()) throw notAFile(path, info);
  return info;
}

/** The same for a file that has to be there. */
export async function requireFile(path: string): Promise<Stats> {
  const info = await explained(path, () => stat(path));
  if (!info.isFile()) throw notAFile(path, info);
  return info;
}

function notAFile(path: string, info: Stats): InputError {
  if (info.isDirectory()) return new InputError(`${path} is a folder, where a file is expected. Name a file in it.`);
  if (info.isFIFO())
    return new InputError(
      `${path} is a pipe, where a file is expected. Save what comes out of it, and name that file.`,
    );
  const what = info.isSocket() ? "a socket" : "a device";
  return new InputError(`${path} is ${what}, where a file is expected. Name a file.`);
}
