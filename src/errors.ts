/**
 * Errors in classes that a caller can distinguish. Every message says what is wrong, where, what was expected
 * and found, and what to do next.
 */
export class LlmError extends Error {
  override name = "LlmError";
}

/** A file, text or other input that cannot be used: missing, damaged, or not fitting the rest. */
export class InputError extends LlmError {
  override name = "InputError";
}

/**
 * An InputError, by its name too: the system could not open, read or write a file, for its permissions, limits or the disk.
 * That says nothing of its content, as a missing or damaged file does.
 */
export class SystemError extends InputError {}

/** Facts about a file that should be text. */
export interface NotText {
  readonly name: string;
  /** Its probable encoding, under a name that TextDecoder accepts. */
  readonly encoding?: string;
  /** Its actual format, in words: "a picture (PNG)". */
  readonly what?: string;
}

/** A file that is not text, or none in UTF-8. */
export class NotTextError extends InputError {
  override name = "NotTextError";
  readonly found: NotText;

  constructor(message: string, found: NotText, options?: ErrorOptions) {
    super(message, options);
    this.found = found;
  }
}

/** An option or argument that makes no sense, alone or with the others. The command exits with 2. */
export class UsageError extends LlmError {
  override name = "UsageError";
}

/** A run that would not fit into the memory there is, refused before anything is allocated. */
export class MemoryError extends LlmError {
  override name = "MemoryError";
}

/** A backend that cannot be had here, or that failed while computing. */
export class BackendError extends LlmError {
  override name = "BackendError";
}

/** A tensor that holds NaN or an infinity. */
export interface NotFiniteTensor {
  readonly kind: "weight" | "gradient";
  /** As llm.c calls the parameter: `wte`, `qkvw`, … */
  readonly name: string;
  /** The first such element, and its value. */
  readonly index: number;
  readonly value: number;
}

/** Training produced a loss or gradient that is not finite. */
export class NotFiniteError extends LlmError {
  override name = "NotFiniteError";
  /** The first tensor that is not finite, in llm.c's order, weights before gradients; undefined where none is known. */
  readonly tensor: NotFiniteTensor | undefined;

  constructor(message: string, tensor?: NotFiniteTensor) {
    super(message);
    this.tensor = tensor;
  }
}

/** A download that could not be made or finished: no network, or a server that refuses or breaks off. */
export class DownloadError extends LlmError {
  override name = "DownloadError";
}

/** Message of anything that was thrown: not every value is an Error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A value of any type in a message: texts in quotes, so that an empty one is seen. */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (value instanceof Promise) return "a promise that was not awaited";
  if (typeof value !== "string" && (typeof value !== "object" || value === null)) return String(value);
  const text = jsonOf(value) ?? "an object";
  return text.length > 60 ? `${text.slice(0, 60)} …` : text;
}

/** Undefined for what JSON cannot hold: circles, bigints. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
