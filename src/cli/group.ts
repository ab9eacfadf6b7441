/**
 * The group of a command: all processes that a launcher such as mpirun started, connected by MPI, or this process alone.
 * A member that ends in any other way than by leaving the group ends all others with it.
 */
import { availableParallelism, hostname } from "node:os";
import type { Command } from "commander";
import { MAX_THREADS } from "../backend/entry.ts";
import { NotFiniteError } from "../errors.ts";
import { requireAlike } from "../group/alike.ts";
import { alone, type Group } from "../group/group.ts";
import { isFirstOnMachine, launcherOf } from "../group/mpi/launcher.ts";
import { AgreedError, placeOf, together } from "../group/together.ts";
import { allowedCores, usableCores } from "../platform/node-cores.ts";
import { ompThreads } from "../platform/node-workers.ts";
import { type GroupFlags, groupOptions } from "./options/group.ts";
import { factsOf, refuseIdle, typedOptions } from "./options/typed.ts";
import { leaveMistakesToOther, reportAs, say } from "./output.ts";
import { version } from "./version.ts";

/**
 * Milliseconds for a launcher to read this process's last words: it drops what it has not read when a group is aborted. On a busy
 * machine 300 lost them once in 129 times.
 */
const LAUNCHER_READS = 1000;

/** A group, and this process's place on its machine. */
export interface Membership {
  readonly group: Group;
  /** 0 for the one that does for its machine what is to be done once. */
  readonly localRank: number;
  /** Words that start as many processes again; undefined for a process alone. */
  readonly launchedBy?: string;
  /** The threads that are this process's share of the machine's cores; undefined for a process alone, which has them all. */
  readonly threads?: number;
  /** From now on the others are waited for no longer than --group-timeout. */
  watch(): void;
}

/** A command that a group runs. */
export interface GroupCommand {
  /** For messages: "train …". */
  readonly words: string;
  /** Its arguments are to be the same in all members. */
  readonly command: Command;
  /** How to continue after another end. */
  readonly again?: string;
}

/** Runs a command in its group, and leaves it when the command is done or has failed in all members alike. */
export async function inGroup(
  flags: GroupFlags,
  { words, command, again = "start them again" }: GroupCommand,
  body: (member: Membership) => Promise<void>,
): Promise<void> {
  // As long as they do not know of each other.
  if (!isFirstOnMachine(process.env)) leaveMistakesToOther();
  const launcher = launcherOf(process.env);
  if (!launcher)
    refuseIdle(
      typedOptions(command),
      groupOptions,
      "no launcher started this process.",
      `Start several (mpirun -np 2 llm-ts ${words})`,
    );
  if (!launcher || launcher.size === 1) return body({ group: alone, localRank: 0, watch: () => {} });
  const place = placeOf({ rank: launcher.rank, host: hostname() }, launcher.size);
  reportAs(place, launcher.rank === 0);
  if (!isFirstOnMachine(process.env)) leaveMistakesToOther();
  const { quiet } = await import("../group/mpi/library.ts");
  for (const [name, value] of Object.entries(quiet)) process.env[name] ??= value;
  const { MpiGroup } = await import("../group/mpi/group.ts");
  const group = await MpiGroup.join(launcher, { host: hostname(), path: flags.mpi });
  reportAs(place, launcher.rank === 0);
  let isOpen = true;
  // Whatever ends this process: the others would wait for it for ever, and its own call of MPI would not let it end.
  process.on("exit", (code) => {
    if (!isOpen) return;
    pause(LAUNCHER_READS);
    group.abort(code || 1);
  });
  const leave = async () => {
    await group.close();
    isOpen = false;
  };
  const onStuck = (what: string) => {
    say(
      `${placeOf(group, group.size)} error: waited ${flags.groupTimeout} s for the other processes (--group-timeout), for ${what}: ` +
        "one of them hangs, or its machine is gone. All end now; " +
        `${again}.`,
    );
    process.exit(1);
  };
  try {
    const local = await placeOnMachine(group);
    // Before they do different things, and wait for each other in different places.
    await requireAlike(group, { version, ...factsOf(command) });
    if (group.rank === 0) say(`${group.size} processes, by ${group.description}`);
    await body({
      group,
      ...local,
      launchedBy: launcher.command,
      watch: () => group.watch(1000 * flags.groupTimeout, onStuck),
    });
  } catch (error) {
    // All members have the same error: there is nobody to end.
    if (error instanceof AgreedError || error instanceof NotFiniteError) await leave();
    throw error;
  }
  // MPICH's launcher, once it has passed a signal on, forgets some processes' exit codes and ends with 0; but not that of an abort.
  if (launcher.family === "mpich" && Number(process.exitCode ?? 0) > 128) await group.gather("has saved");
  else await leave();
}

/** Blocks the event loop, which has ended where a process exits. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Does something in one process of each machine first, such as filling a cache, and then in the others. */
export async function oncePerMachine<R>({ group, localRank }: Membership, work: () => Promise<R>): Promise<R> {
  if (group.size === 1) return work();
  const first = await together(group, async () => (localRank === 0 ? { result: await work() } : undefined));
  return together(group, async () => (first ? first.result : work()));
}

/** This process among those on its machine, and its share of the cores that they may use. */
async function placeOnMachine(group: Group): Promise<Pick<Membership, "localRank" | "threads">> {
  const all = await group.gather({ host: group.host, cores: allowedCores("self") ?? null });
  const here = all.filter(({ host }) => host === group.host);
  const localRank = all.slice(0, group.rank).filter(({ host }) => host === group.host).length;
  const own = all[group.rank].cores;
  const share = own
    ? own.reduce((sum, core) => sum + 1 / here.filter(({ cores }) => cores?.includes(core)).length, 0)
    : availableParallelism() / here.length;
  // A container's quota is one for all of them.
  const { quota = Number.POSITIVE_INFINITY } = usableCores();
  if (localRank === 0) hintAtCores(group, here.length, new Set(here.flatMap(({ cores }) => cores ?? [])).size);
  // Rounded down: threads beyond the share would wait for each other.
  const cores = Math.floor(Math.min(share, quota / here.length) + 1e-6);
  return { localRank, threads: Math.min(MAX_THREADS, ompThreads() ?? Math.max(1, cores)) };
}

/** Says where the launcher left cores idle, or has too few of them. Zero cores: not known. */
function hintAtCores(group: Group, processes: number, cores: number): void {
  if (cores === 0) return;
  const there = allowedCores(process.ppid)?.length ?? cores;
  const where = group.size > processes ? ` on ${group.host}` : "";
  if (there > cores)
    say(
      `hint: the launcher bound ${processes} processes${where} to ${cores} of ${there} cores. With mpirun --bind-to none they ` +
        "share all of them.",
    );
  else if (processes > there)
    say(`hint: ${processes} processes share ${there} cores${where}, which is slower than ${there} processes.`);
}
