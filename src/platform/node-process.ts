/** Processes that wrote something into a file: whether they still live. */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { errorCode } from "./node-errors.ts";

/** Identity of a process, as unique as the system allows. */
export interface ProcessName {
  readonly pid: number;
  readonly host: string;
  /** Boot and start time: no two processes of one id share both. Known on Linux alone. */
  readonly process?: string;
  /** Boot and process namespace, in which the id means something. Known on Linux alone. */
  readonly namespace?: string;
}

/**
 * State of a process as visible from here: that it lives, or is gone; that a process with its id lives, which may be
 * another one ("likely"); or nothing ("unseen"), since it is on another machine, in another container, or of another boot.
 */
export type Sight = "lives" | "gone" | "likely" | "unseen";

export function thisProcess(): ProcessName {
  return { pid: process.pid, host: hostname(), process: statOf(process.pid)?.identity, namespace: namespace() };
}

export function lookAt(name: ProcessName): Sight {
  if (name.host !== hostname() || (name.namespace !== undefined && name.namespace !== namespace())) return "unseen";
  const stat = statOf(name.pid);
  if (stat?.hasEnded) return "gone";
  if (stat && name.process !== undefined) return stat.identity === name.process ? "lives" : "gone";
  try {
    process.kill(name.pid, 0);
    return "likely";
  } catch (error) {
    // EPERM: it lives, and belongs to another user.
    return errorCode(error) === "ESRCH" ? "gone" : "likely";
  }
}

/** Undefined where /proc is not there, or hides the process. */
function statOf(pid: number): { identity: string; hasEnded: boolean } | undefined {
  try {
    // The name, the second field, may hold spaces and parentheses; then come the state and, as the 22nd, the start time.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    // A zombie has ended, and stays listed until its parent asks for its exit code, which may be never.
    return { identity: `${boot()} ${fields[19]}`, hasEnded: fields[0] === "Z" || fields[0] === "X" };
  } catch {
    return undefined;
  }
}

let knownNamespace: { readonly value: string | undefined } | undefined;

function namespace(): string | undefined {
  knownNamespace ??= { value: readNamespace() };
  return knownNamespace.value;
}

function readNamespace(): string | undefined {
  try {
    return `${boot()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return undefined;
  }
}

let knownBoot: string | undefined;

function boot(): string {
  knownBoot ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return knownBoot;
}
