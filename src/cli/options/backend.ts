import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { MAX_THREADS, type OnStart, partInWords } from "../../backend/entry.ts";
import {
  type BackendName,
  backendNames,
  blasNames,
  defaultBackend,
  type KernelName,
  kernelNamed,
} from "../../backend/registry.ts";
import { UsageError } from "../../errors.ts";
import { isFirstOnMachine } from "../../group/mpi/launcher.ts";
import { usableCores } from "../../platform/node-cores.ts";
import { ompThreads } from "../../platform/node-workers.ts";
import { ProgressLine } from "../display/progress-line.ts";
import { name, whole } from "./values.ts";

/** Options for the backend, shared by several commands. */
export interface BackendFlags {
  readonly backend: BackendName;
  readonly threads?: number;
  readonly kernel: KernelName | "auto";
  readonly blas: string;
  readonly revectorize: boolean;
}

export function addBackendOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--backend <name>",
        "the backend that computes: all cores, a GPU (npm install webgpu), or slow reference code",
      )
        .choices(backendNames)
        .default(defaultBackend),
    )
    .option(
      "--threads <n>",
      "threads that compute, up to 64 (default: OMP_NUM_THREADS, else as many as are faster than fewer)",
      whole(1, MAX_THREADS),
    )
    .addOption(
      new Option("--kernel <name>", "a kernel from llm-ts info --system instead of the fastest")
        .argParser(kernel)
        .default("auto"),
    )
    .addOption(
      new Option(
        "--blas <name>",
        `matmuls by a library of the system (npm install koffi): ${blasNames.join(", ")}, a path, or auto: the fastest`,
      )
        .argParser(blas)
        .default("none"),
    )
    .option("--no-revectorize", "disable V8's experimental 256-bit mode: slower")
    .hook("preAction", (_, command) => hintAtThreads(command.opts<BackendFlags>()));
}

function kernel(name: string): string {
  try {
    return kernelNamed(name);
  } catch (error) {
    throw error instanceof UsageError ? new InvalidArgumentError(error.message) : error;
  }
}

/** Shows what the first start on a device measures. */
export function startProgress(): OnStart {
  let line: ProgressLine | undefined;
  return (what, share, part) => {
    line ??= new ProgressLine(what);
    line.update(share, part && `(${partInWords(part)})`);
    if (share === 1) line.end();
  };
}

/** Options of a model: the backend that the flags choose, and the progress of its first start. */
export function backendOptions({ backend, threads, revectorize, kernel, blas }: BackendFlags) {
  return { backend, threads, revectorize, kernel, blas, onStart: startProgress() };
}

/** Paths count from the folder of the command, wherever a run is resumed. */
function blas(text: string): string {
  return /[\\/]/.test(name(text)) ? resolve(text) : text;
}

function hintAtThreads({ threads: given, blas = "none" }: BackendFlags): void {
  const isForeign = blas !== "none";
  const cores = usableCores().count;
  const wanted = process.env.OMP_NUM_THREADS;
  const asked = given ?? ompThreads() ?? cores;
  const threads = Math.min(asked, MAX_THREADS);
  if (given === undefined && wanted && ompThreads() === undefined)
    hint(`OMP_NUM_THREADS is "${wanted}", which is not a number of threads: using one per core, ${cores}.`);
  else if (asked > MAX_THREADS) hint(`OMP_NUM_THREADS is ${asked}: using ${MAX_THREADS} threads, the maximum.`);
  if (threads > cores)
    hint(
      `${threads} threads share ${cores === 1 ? "one core" : `${cores} cores`}, which is no faster than --threads ${cores}.${isForeign ? "" : " The results are the same."}`,
    );
}

function hint(text: string): void {
  if (isFirstOnMachine(process.env)) process.stderr.write(`hint: ${text}\n`);
}
