/** Runs a reader's function in a thread of its own, which ends with it when it does not end by itself. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { Script } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { type Callable, runTask } from "../../learn/run-task.ts";
import type { Report } from "../../learn/task.ts";
import type { WorkerInput } from "./run-exercise.ts";

const { url, name, task, adamw } = workerData as WorkerInput;
const report = (what: Report) => parentPort?.postMessage(what);

let loading = true;
try {
  const call = await functionOf(url, name);
  const update = adamw === undefined ? undefined : await functionOf(adamw, "adamw");
  loading = false;
  await runTask(task, call, report, update);
  report({ type: "done" });
} catch (error) {
  report({ type: "failed", ...described(error), ...(loading && { loading }) });
}

async function functionOf(file: string, wanted: string): Promise<Callable> {
  const exported: Record<string, unknown> = await import(file);
  const found = exported[wanted];
  if (typeof found !== "function") throw new TypeError(`the file exports no function ${wanted}`);
  return found as Callable;
}

/** The message of an error, and the line of the reader's file in which it arose. */
function described(error: unknown): { message: string; line?: number } {
  if (!(error instanceof Error)) return { message: `it threw ${String(error)}` };
  const { message, line } = placed(error);
  return line === undefined && error instanceof SyntaxError
    ? { message, line: lineOfSyntaxError(message) }
    : { message, line };
}

/**
 * The line of a SyntaxError in the reader's file: errors of modules do not say theirs, those of scripts do. As a script, the file
 * has no imports and exports. Undefined where it is TypeScript, or has another error, or none, as a script.
 */
function lineOfSyntaxError(message: string): number | undefined {
  const source = readFileSync(new URL(url), "utf8");
  const script = source.replace(/^import .*$/gm, "").replace(/^export (?=(async )?function|const|let|class)/gm, "");
  try {
    new Script(script, { filename: new URL(url).pathname });
    return undefined;
  } catch (error) {
    const found = error instanceof Error ? placed(error) : undefined;
    return found?.message === message ? found.line : undefined;
  }
}

function placed(error: Error): { message: string; line?: number } {
  const file = basename(new URL(url).pathname);
  const at = error.stack?.split("\n").find((text) => text.includes(file));
  const line = Number(at?.slice(at.indexOf(file) + file.length).match(/^:(\d+)/)?.[1]);
  return { message: `${error.name}: ${error.message}`, ...(line > 0 && { line }) };
}
