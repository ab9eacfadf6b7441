import { LlmError, messageOf, UsageError } from "../errors.ts";
import { asStarted } from "./suggest.ts";

/** Writes to standard output and waits until it is taken, so that a slow reader slows us instead of filling memory. */
export function print(text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** Tells something on standard error: what is no result. */
export function say(text: string): void {
  process.stderr.write(`${asStarted(text)}\n`);
}

/**
 * Tells an error on standard error, in one message, and gives the exit code it stands for: 2 for wrong usage, else 1.
 * The stack is shown for errors of our own making, and for all with LLM_TS_DEBUG.
 */
export function reportError(error: unknown): number {
  const debug = process.env.LLM_TS_DEBUG ? `\n${error instanceof Error ? error.stack : ""}` : "";
  if (error instanceof LlmError) {
    process.stderr.write(`error: ${asStarted(error.message)}${debug}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
  const hint = debug || " This is a mistake in llm-ts: please report it, with what LLM_TS_DEBUG=1 shows.";
  process.stderr.write(`error: ${messageOf(error)}.${hint}\n`);
  return 1;
}

/** `head` and the like close our output when they have enough: no error, we just end. */
export function endQuietlyOnClosedPipe(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}
