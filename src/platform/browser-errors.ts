import { InputError, LlmError, SystemError } from "../errors.ts";

const full = (path: string) =>
  `${path}: the storage that the browser gives to this page is full. Remove runs or files that are no longer needed, or ` +
  "make room on the disk. Nothing was changed.";

const denied = (path: string) =>
  `${path}: the browser does not let this page keep files. Allow it to store data (site settings), open it in a ` +
  "tab of its own that is not private, or work without saving.";

const busy = (path: string) => `${path} is being written by another tab or worker. Wait for it, or close that tab.`;

/** Cause and remedy of each error of a browser's storage, for the user of a page. */
const explanations: Record<string, (path: string) => string> = {
  NotFoundError: (path) => `${path} does not exist. Check the path.`,
  TypeMismatchError: (path) => `${path} is a folder, where a file is expected. Name a file in it.`,
  QuotaExceededError: full,
  // Chromium's occasional error when storage fills up within a page's write.
  AbortError: full,
  SecurityError: denied,
  // Safari's error in a private window.
  UnknownError: denied,
  NotReadableError: (path) => `${path} was changed while it was read. Read it again.`,
  NoModificationAllowedError: busy,
  // Safari's alternative to it.
  InvalidStateError: busy,
};

/** Errors about paths that lead to nothing, or to something of another kind. */
const ofPaths = ["NotFoundError", "TypeMismatchError"];

/** Runs an operation on `path`; what the browser refuses becomes an InputError in plain words. */
export async function explained<T>(path: string, operation: () => T | Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw explain(path, error);
  }
}

export function explain(path: string, error: unknown): unknown {
  if (error instanceof LlmError || !(error instanceof DOMException)) return error;
  const explanation = explanations[error.name];
  const Kind = ofPaths.includes(error.name) ? InputError : SystemError;
  return new Kind(explanation ? explanation(path) : `${path}: ${error.message}`, { cause: error });
}

export function isDomError(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof DOMException && names.includes(error.name);
}

/** Tries again for two seconds and a half: so long a tab or worker that was ended may take to let go of its files. */
export async function patiently<T>(operation: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      if (!isDomError(error, "NoModificationAllowedError", "InvalidStateError") || attempt === 8) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10 * 2 ** attempt));
    }
  }
}
