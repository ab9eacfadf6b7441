/** Trial of a BLAS in a child process: a library that crashes, or never returns, must not take the program along. */
import { resolve } from "node:path";
import { canStartNode, type Ended, runEntry } from "./node-child.ts";
import type { BlasRequest, BlasTrial } from "./platform.ts";

/** Input of the child. */
export interface BlasTask extends BlasRequest {
  readonly cwd: string;
}

/** Progress of the child. */
export type BlasStage = "load" | "call" | "integers" | "cores" | "threads";

/** A line that the child prints: the stage that begins, or the end. */
export type BlasLine = { readonly stage: BlasStage } | { readonly result: BlasTrial | string };

/** On a busy machine a trial takes some seconds. */
const MOST_MS = 60_000;

const doing: Readonly<Record<BlasStage, string>> = {
  load: "loading it",
  call: "a call of its cblas_sgemm",
  integers: "a call with 32-bit integers (perhaps it takes 64-bit ones, ILP64; then the LP64 build is needed)",
  cores: "a call of its cblas_sgemm",
  threads: "calling it from several threads",
};

/** Facts about the first of some libraries that can be loaded, tried as it would be used; or why it cannot be: a phrase. */
export async function tryBlas(request: BlasRequest, mostMs = MOST_MS): Promise<BlasTrial | string> {
  if (!canStartNode()) return "it cannot be tried in a process of its own, since this program is not called node";
  const libraries = request.libraries.map((path) => (/[\\/]/.test(path) ? resolve(path) : path));
  const task: BlasTask = { ...request, libraries, cwd: process.cwd() };
  const ended = await runEntry("node-blas-trial-entry", task, { mostMs });
  return ended ? resultOf(ended) : "it cannot be tried in a process of its own: none can be started here";
}

function resultOf({ output, errors, code, signal }: Ended): BlasTrial | string {
  const lines = output.split("\n").flatMap((line) => parsed(line) ?? []);
  const last = lines.at(-1);
  if (last && "result" in last) return last.result;
  const stage = last ? doing[last.stage] : "starting";
  if (signal === "SIGKILL") return `${stage} does not end`;
  const said = errors.trim().split("\n").at(-1);
  return `${stage} ends the process (${signal ?? `exit code ${code}`})${said ? `, saying: ${said.slice(0, 200)}` : ""}`;
}

/** Libraries may print, too. */
function parsed(line: string): BlasLine | undefined {
  try {
    const found: unknown = JSON.parse(line);
    const isOurs = typeof found === "object" && found !== null && ("stage" in found || "result" in found);
    return isOurs ? (found as BlasLine) : undefined;
  } catch {
    return undefined;
  }
}
