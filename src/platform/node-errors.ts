import { InputError, LlmError, SystemError } from "../errors.ts";

/** Cause and remedy of the operating system's error codes, for the user of a terminal. */
const explanations: Record<string, (path: string) => string> = {
  ENOENT: missing,
  ENOTDIR: (path) => `${path} cannot be: a part of the path is a file, not a folder. Check the path.`,
  EISDIR: (path) => `${path} is a folder, where a file is expected. Name a file in it.`,
  EACCES: (path) => `${path}: permission denied. Change its permissions, or use another path.`,
  EPERM: (path) => `${path}: the system does not permit this. Change its permissions, or use another path.`,
  EROFS: (path) => `${path} is on a read-only file system. Use another folder.`,
  ENOSPC: (path) => `${path}: the disk is full. Make room, or use another disk. Nothing was changed.`,
  EDQUOT: (path) => `${path}: your disk quota is used up. Make room, or use another disk. Nothing was changed.`,
  EFBIG: (path) => `${path}: the file system cannot hold so large a file. Use another disk. Nothing was changed.`,
  EMFILE: (path) => `${path}: too many files are open. Raise the limit (ulimit -n), or use fewer shards.`,
  ENAMETOOLONG: (path) => `${path}: the name is too long. Use a shorter one.`,
  ELOOP: (path) => `${path}: its symbolic links lead in a circle. Use another path.`,
  EIO: (path) => `${path}: the disk failed while reading or writing. Copy what you can to another disk.`,
};

function missing(path: string): string {
  const [, scheme] = /^([a-z][a-z\d+.-]+):\/\//i.exec(path) ?? [];
  if (scheme === undefined) return `${path} does not exist. Check the path.`;
  if (scheme.toLowerCase() !== "file") return isElsewhere(path);
  return `${path} is an address, where a path is expected. Give it without file://.`;
}

/** Message about a URL of what is not a file here. */
export function isElsewhere(url: string): string {
  return `${url} is not on this machine. Download it, and give the path of the file.`;
}

/** Codes of paths that lead to nothing, or to something of another kind. */
const ofPaths = ["ENOENT", "ENOTDIR", "EISDIR"];

/** Runs a file operation on `path`; what the system refuses becomes an InputError in plain words. */
export async function explained<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw explain(path, error);
  }
}

export function explain(path: string, error: unknown): unknown {
  if (error instanceof LlmError || !(error instanceof Error)) return error;
  const code = errorCode(error);
  if (code === undefined) return error;
  const explanation = explanations[code];
  const Kind = ofPaths.includes(code) ? InputError : SystemError;
  return new Kind(explanation ? explanation(path) : `${path}: ${error.message}.`, { cause: error });
}

export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
