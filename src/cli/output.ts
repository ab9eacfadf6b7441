import { InputError, LlmError, messageOf, NotFiniteError, UsageError } from "../errors.ts";
import { AgreedError } from "../group/together.ts";
import { asStarted } from "./suggest.ts";

/** Writes to standard output and waits until it is taken, so that a slow reader throttles the writer instead of filling memory. */
export function print(text: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, (error) => {
      if (error) lose(error);
      resolve();
    });
  });
}

/** Prints a remark on standard error; results go to standard output. */
export function say(text: string): void {
  process.stderr.write(`${asStarted(text)}\n`);
}

/** This process among those of a group, and which errors it reports. */
let reporter = { place: "", isFirst: true, isSilent: false };

/** From now on errors begin with `place`, but for those that all processes of a group have, which the first one reports. */
export function reportAs(place: string, isFirst: boolean): void {
  reporter = { place: `${place} `, isFirst, isSilent: false };
}

/** Until `reportAs` is called again, mistakes of the user and of the machine are reported by another process on it. */
export function leaveMistakesToOther(): void {
  reporter = { ...reporter, isSilent: true };
}

/**
 * Prints an error on standard error, and returns its exit code: 2 for wrong usage, else 1.
 * The stack is shown for errors of our own making, and for all with LLM_TS_DEBUG.
 */
export function reportError(error: unknown): number {
  const isAgreed = error instanceof AgreedError || error instanceof NotFiniteError;
  const isUsage = error instanceof UsageError || (error instanceof AgreedError && error.isUsage);
  const isMistake = isUsage || error instanceof InputError;
  if (isAgreed ? !reporter.isFirst : isMistake && reporter.isSilent) return isUsage ? 2 : 1;
  const place = isAgreed ? "" : reporter.place;
  const debug = process.env.LLM_TS_DEBUG ? `\n${error instanceof Error ? error.stack : ""}` : "";
  if (error instanceof LlmError) {
    process.stderr.write(`${place}error: ${asStarted(error.message)}${debug}\n`);
    return isUsage ? 2 : 1;
  }
  const hint = debug || " This is a mistake in llm-ts: please report it, with what LLM_TS_DEBUG=1 shows.";
  process.stderr.write(`${place}error: ${messageOf(error)}.${hint}\n`);
  return 1;
}

/** Failure of standard output; undefined as long as all was written. */
let problem: string | undefined;
/** Listener of a command that continues without standard output. */
let onLost: ((problem: string) => void) | undefined;

/**
 * Takes care of outputs that fail: a full disk, a reader that has gone, a terminal that was closed. What standard error
 * cannot take is lost, and changes nothing. Without standard output a command ends, unless it called `outliveOutput`.
 */
export function guardOutputs(): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", lose);
}

/** From now on the program continues without standard output; `onProblem` is called once, with the reason. */
export function outliveOutput(onProblem: (problem: string) => void): void {
  onLost = onProblem;
}

/** Failure of standard output, such as "standard output is closed"; undefined as long as all was written. */
export function outputProblem(): string | undefined {
  return problem;
}

function lose(error: NodeJS.ErrnoException): void {
  const isFirst = problem === undefined;
  problem ??= problemOf(error);
  if (onLost && isFirst) onLost(problem);
  if (onLost) return;
  // `head` and the like close our output when they have enough: no error, we just end.
  process.exit(error.code === "EPIPE" ? 0 : reportError(new InputError(`${problem}. Make room, or write elsewhere.`)));
}

function problemOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === "EPIPE") return "standard output is closed";
  return `standard output cannot be written (${code === "ENOSPC" ? "its disk is full" : message})`;
}
