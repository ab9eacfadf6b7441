/** Runs a reader's function in a thread of its own, which ends with it when it does not end by itself. */
import { basename } from "node:path";
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
  const file = basename(new URL(url).pathname);
  const at = error.stack?.split("\n").find((text) => text.includes(file));
  const line = Number(at?.slice(at.indexOf(file) + file.length).match(/^:(\d+)/)?.[1]);
  return { message: `${error.name}: ${error.message}`, ...(line > 0 && { line }) };
}
