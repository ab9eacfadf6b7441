/**
 * Trial of compiling kernels with V8 flags. An untested engine may abort the process because of them, which
 * no `catch` prevents; so each module is compiled and run in a child process first, and the result is kept.
 */
import { cachedDataVersionTag } from "node:v8";
import { recall, remember } from "./node-cache.ts";
import { canStartNode, type Ended, runEntry } from "./node-child.ts";
import { engine } from "./node-engine.ts";
import { hashOf, ResultCache } from "./result-cache.ts";

/** Input of the child: flags to try, and options of this process, some of which may be V8 flags. */
export interface Trial {
  readonly flags: readonly string[];
  readonly options: readonly string[];
}

/** The flags that the engine has, or the reason that none may be used. */
export type TrialResult = readonly string[] | "aborts" | "cannot be tried";

const cache = new ResultCache("flags", { recall, remember });
const MOST_MS = 30_000;

/** Compiles `bytes` with `flags` in a child process, once for each engine and its own flags, and runs each kernel. */
export async function tryFlags(bytes: Uint8Array, flags: readonly string[]): Promise<TrialResult> {
  if (!canStartNode()) return "cannot be tried";
  const key = `${hashOf(bytes)} ${flags.join(" ")}, ${engine()}, ${cachedDataVersionTag()}`;
  const kept = await cache.recall(key);
  if (kept !== undefined) return kept === "aborts" ? kept : kept.split(" ").filter(Boolean);
  const result = await tryInChild(bytes, flags);
  if (result !== "cannot be tried") await cache.keep(key, result === "aborts" ? result : result.join(" "));
  return result;
}

async function tryInChild(bytes: Uint8Array, flags: readonly string[]): Promise<TrialResult> {
  const { NODE_OPTIONS = "" } = process.env;
  const trial: Trial = { flags, options: [...NODE_OPTIONS.split(/\s+/), ...process.execArgv] };
  const ended = await runEntry("node-flag-trial-entry", trial, { input: bytes, mostMs: MOST_MS });
  return ended ? resultOf(ended) : "cannot be tried";
}

/** Node's own exit codes are small; an abort is a signal, or a large code from a shell or Windows. */
function resultOf({ output, code, signal }: Ended): TrialResult {
  if (code === 0 && output.startsWith("[")) return JSON.parse(output);
  const isAbort = signal === null ? (code ?? 0) > 127 : signal !== "SIGKILL" && signal !== "SIGTERM";
  return isAbort ? "aborts" : "cannot be tried";
}
