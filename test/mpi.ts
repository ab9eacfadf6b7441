/** MPI as it is installed here: `llm-ts` started by its launchers. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { cli, root } from "./nodes.ts";
import { environment, type Result, type RunOptions, result } from "./run-cli.ts";

export interface Mpi {
  readonly name: "Open MPI" | "MPICH";
  readonly launcher: string;
  /** Arguments of the launcher before the number of processes: more processes than cores, and none bound to a core. */
  readonly options: readonly string[];
  /** Option that names the folder in which processes start. */
  readonly folder: string;
  /** The library that a process finds. */
  readonly library: string;
  /** The environment variable with a process's rank. */
  readonly rank: string;
}

const known: readonly Mpi[] = [
  {
    name: "Open MPI",
    launcher: "mpirun.openmpi",
    options: ["--oversubscribe", "--bind-to", "none"],
    folder: "--wdir",
    library: "libmpi.so.40",
    rank: "OMPI_COMM_WORLD_RANK",
  },
  {
    name: "MPICH",
    launcher: "mpirun.mpich",
    options: [],
    folder: "-wdir",
    library: "libmpich.so.12",
    rank: "PMI_RANK",
  },
];

/** Both implementations, or those that are installed. */
export const mpis: readonly Mpi[] = known.filter(({ launcher }) => isThere(launcher));

/** Why tests with MPI cannot run here; .ci/run installs both. */
export const problemOfMpi =
  mpis.length === known.length
    ? undefined
    : `needs Open MPI and MPICH (Debian: apt-get install openmpi-bin mpich), and found ${mpis.map(({ name }) => name).join(", ") || "none"}`;

/** The other implementation. */
export function otherThan(mpi: Mpi): Mpi {
  return mpi.name === "MPICH" ? known[0] : known[1];
}

function isThere(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A command that several processes run. */
export interface Launched {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Result>;
  /** Sends a signal to the process of a rank, unless it has ended. */
  kill(rank: number, signal: NodeJS.Signals): void;
  /** Processes that still live, the launcher's helpers included. */
  survivors(): number[];
}

/** Starts `llm-ts` in some processes; `others`: arguments of the last one where they differ. */
export function launch(
  mpi: Mpi,
  processes: number,
  args: readonly string[],
  { cwd, env, program = cli, others, place = [] }: LaunchOptions = {},
): Launched {
  const marker = randomUUID();
  const command = (count: number, own: readonly string[], where: readonly string[], path: string) => [
    ...["-np", String(count)],
    ...where,
    ...[process.execPath, path, ...own],
  ];
  const first = command(others ? processes - 1 : processes, args, [], program);
  const last = others ? [":", ...command(1, others.args ?? args, place, others.program ?? program)] : [];
  const child = spawn(mpi.launcher, [...mpi.options, ...first, ...last], {
    cwd,
    env: {
      ...environment(env),
      ...{ OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1", LLM_TS_TEST: marker },
    },
  });
  child.stdin.on("error", () => {});
  child.stdin.end();
  return {
    child,
    ended: result(child),
    kill(rank, signal) {
      for (const pid of processesWith(`LLM_TS_TEST=${marker}`, `${mpi.rank}=${rank}`)) send(pid, signal);
    },
    survivors: () => processesWith(`LLM_TS_TEST=${marker}`),
  };
}

export interface LaunchOptions extends RunOptions {
  /** The last process, where it is started in another way. */
  readonly others?: { readonly args?: readonly string[]; readonly program?: string };
  /** Further options of the launcher for the last process. */
  readonly place?: readonly string[];
}

/** Runs `llm-ts` in some processes to its end. */
export function runOn(
  mpi: Mpi,
  processes: number,
  args: readonly string[],
  options: LaunchOptions = {},
): Promise<Result> {
  return launch(mpi, processes, args, options).ended;
}

/** Environment in which the gradients that rank 1 contributes to an update have a NaN. */
export function nanOn({ rank }: Mpi, update: number): Readonly<Record<string, string>> {
  const device = pathToFileURL(join(root, "dist", "backend", "wasm", "device.js"));
  // The model's 16 tensors are sent at the start, and summed in each update.
  const hook = `import { WasmDevice } from ${JSON.stringify(device)};
    const { hostMemory } = WasmDevice.prototype;
    let calls = 0;
    if (process.env.${rank} === "1") WasmDevice.prototype.hostMemory = async function (tensor) {
      const data = await hostMemory.call(this, tensor);
      if (++calls === 16 * ${update} + 1) data[0] = NaN;
      return data;
    };`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` };
}

/** Waits until all processes are gone; throws where some stay. */
export async function allGone({ survivors }: Launched): Promise<void> {
  for (let waited = 0; waited < 20_000; waited += 100) {
    if (survivors().length === 0) return;
    await wait(100);
  }
  throw new Error(`processes ${survivors().join(", ")} still live`);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Processes whose environment has all of some variables, zombies left out. */
function processesWith(...variables: readonly string[]): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        const environ = readFileSync(`/proc/${name}/environ`, "utf8").split("\0");
        return variables.every((variable) => environ.includes(variable));
      } catch {
        return false;
      }
    })
    .map(Number);
}
