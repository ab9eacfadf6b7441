import { cpus, totalmem } from "node:os";
import { platform } from "#platform";
import { type BlasCandidate, MAX_THREADS, type Survey } from "../../backend/entry.ts";
import type { Availability } from "../../backend/registry.ts";
import { usableCores } from "../../platform/node-cores.ts";
import { ompThreads } from "../../platform/node-workers.ts";

/** Facts about the machine for `llm-ts info --system`. */
export function systemFacts(survey: Survey | undefined): Readonly<Record<string, unknown>> {
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    threads: survey?.threads,
    "threads because": survey && threadReasonOf(survey),
    memory: gigabytes(totalmem()),
    "free memory": platform.machineMemory && gigabytes(platform.machineMemory.available()),
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    v8: process.versions.v8,
    "memory limit": survey && gigabytes(survey.memoryLimit),
    kernel: survey?.chosen ?? "none: only the reference backend computes right here",
    reason: survey && reasonOf(survey),
  };
}

function threadReasonOf({ threads, threadSpeeds = [] }: Survey): string {
  if (ompThreads() !== undefined) return "OMP_NUM_THREADS asks for them";
  const { count, quota } = usableCores();
  const limit = quota === undefined ? "one per core" : `the container grants ${quota} of the cores' time`;
  if (threads === Math.min(count, MAX_THREADS)) return limit;
  const speeds = threadSpeeds.map(({ threads, gflops }) => `${threads}: ${gflops.toFixed(0)}`).join(", ");
  return `${count} threads are no faster (GFLOP/s by threads: ${speeds})`;
}

function reasonOf({ chosen, kept }: Survey): string {
  if (chosen === undefined) return "every kernel is out, as said below";
  const best = "best code that computes right here, and its fastest tile, measured now";
  if (kept === chosen) return `${best}, as before; later starts use it without measuring`;
  const before = kept === undefined ? "none is kept yet" : `${kept} was used until now`;
  return `${best}; ${before}; kept once the next measurement agrees`;
}

/** Each backend, and why it is not available. */
export function backendTable(backends: readonly Availability[]): string {
  const rows = backends.map(
    ({ name, reason, details }) =>
      `  ${name.padEnd(11)}${reason === undefined ? "available" : `not available: ${reason}`}${details === undefined ? "" : `: ${details}`}`,
  );
  return `backends\n${rows.join("\n")}\n`;
}

/** Each kernel, its speed, and whether it was chosen or why it is out. */
export function kernelTable({ candidates, chosen }: Survey): string {
  const rows = candidates.map(({ kernel, gflops, problem }) => {
    const note = kernel === chosen ? "chosen" : problem === undefined ? "" : `out: ${problem}`;
    return `  ${kernel.padEnd(18)}${(gflops?.toFixed(0) ?? "-").padStart(5)}  ${note}`.trimEnd();
  });
  return `kernels, GFLOP/s of one thread\n${rows.join("\n")}\n`;
}

/** Speed of all threads together, for each number of them. */
export function threadTable({ threads, threadSpeeds }: Survey): string {
  if (threadSpeeds === undefined) return "";
  const rows = [...threadSpeeds]
    .sort((a, b) => a.threads - b.threads)
    .map((row) =>
      `  ${String(row.threads).padEnd(18)}${row.gflops.toFixed(0).padStart(5)}  ${row.threads === threads ? "chosen" : ""}`.trimEnd(),
    );
  return `\nthreads, GFLOP/s of all together\n${rows.join("\n")}\n`;
}

/** Each BLAS, the speed of the backend with it relative to that without, or why it cannot be used. */
export function blasTable(libraries: readonly BlasCandidate[]): string {
  const classes = Object.keys(libraries.find(({ trial }) => trial)?.trial?.ratios ?? {});
  const [first] = libraries;
  if (libraries.every(({ problem }) => problem !== undefined && problem === first.problem))
    return `libraries for llm-ts train --blas: none: ${first.problem}\n`;
  const rows = libraries.map(({ name, trial, problem }) => {
    if (!trial) return `  ${name.padEnd(12)}${isMissing(problem) ? "not found" : `out: ${problem}`}`;
    const ratios = classes.map((shapes) => trial.ratios[shapes].toFixed(2).padStart(shapes.length));
    return `  ${name.padEnd(12)}${ratios.join("  ")}  ${trial.description} (${trial.library})`;
  });
  const head = classes.length > 0 ? `  ${"".padEnd(12)}${classes.join("  ")}\n` : "";
  return `libraries for llm-ts train --blas, speed with them relative to the kernels'\n${head}${rows.join("\n")}\n`;
}

/** True if none of a library's files was found, where nothing else is wrong with one. */
function isMissing(problem: string): boolean {
  return problem.split("; ").every((each) => /: (not found|there is no such file)$/.test(each));
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
