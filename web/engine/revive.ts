import { BackendError, InputError, LlmError, MemoryError, NotFiniteError, UsageError } from "../../src/errors.ts";

/** By the `name` of their errors: a bundler may shorten the classes' own names. */
const classes = { LlmError, InputError, UsageError, MemoryError, BackendError, NotFiniteError };

/**
 * Restores the class of an error that a worker threw: only its name, message and stack cross threads. LlmErrors get their
 * class back; anything else is returned as it is.
 */
export function revive(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof LlmError) return error;
  const [, found] = Object.entries(classes).find(([name]) => name === error.name) ?? [];
  return found ? Object.assign(new found(error.message), { stack: error.stack }) : error;
}
