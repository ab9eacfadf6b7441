import { BackendError, InputError, LlmError, MemoryError, NotFiniteError, UsageError } from "../../src/errors.ts";

/** By the names that their errors carry: those of the classes may be shortened in a bundle. */
const classes = { LlmError, InputError, UsageError, MemoryError, BackendError, NotFiniteError };

/**
 * What a worker threw, as it was there: between threads an error is its name, message and stack. Errors for people are
 * LlmErrors again; all else stays what it is.
 */
export function revive(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof LlmError) return error;
  const [, found] = Object.entries(classes).find(([name]) => name === error.name) ?? [];
  return found ? Object.assign(new found(error.message), { stack: error.stack }) : error;
}
