/**
 * Trial of compiling kernels with V8 flags. An untested engine may abort the process because of them, which
 * no `catch` prevents; so each module is compiled and run in a child process first, and the result is kept.
 */
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { cachedDataVersionTag } from "node:v8";
import { recall, remember } from "./node-cache.ts";
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

/** Extension of the entry: that of this file, .ts from the sources, .js from a build. */
const isSource = import.meta.url.endsWith(".ts");
const entry = fileURLToPath(new URL(`./node-flag-trial-entry${isSource ? ".ts" : ".js"}`, import.meta.url));

/** Compiles `bytes` with `flags` in a child process, once for each engine and its own flags, and runs each kernel. */
export async function tryFlags(bytes: Uint8Array, flags: readonly string[]): Promise<TrialResult> {
  // In a single executable, Electron and the like it is the whole application that would start again.
  if (!/^node(js)?(\.exe)?$/.test(basename(process.execPath))) return "cannot be tried";
  const key = `${hashOf(bytes)} ${flags.join(" ")}, ${engine()}, ${cachedDataVersionTag()}`;
  const kept = await cache.recall(key);
  if (kept !== undefined) return kept === "aborts" ? kept : kept.split(" ").filter(Boolean);
  const result = await tryInChild(bytes, flags);
  if (result !== "cannot be tried") await cache.keep(key, result === "aborts" ? result : result.join(" "));
  return result;
}

function tryInChild(bytes: Uint8Array, flags: readonly string[]): Promise<TrialResult> {
  const { NODE_OPTIONS = "", ...env } = process.env;
  const trial: Trial = { flags, options: [...NODE_OPTIONS.split(/\s+/), ...process.execArgv] };
  const args = [...(isSource ? ["--conditions=source"] : []), entry, JSON.stringify(trial)];
  return new Promise((resolve) => {
    try {
      // In a temporary folder, for the core dump of a process that aborts.
      const child = spawn(process.execPath, args, {
        cwd: tmpdir(),
        env,
        stdio: ["pipe", "pipe", "ignore"],
        timeout: MOST_MS,
        killSignal: "SIGKILL",
        windowsHide: true,
      });
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
      child.stdin.on("error", () => {}); // it may have ended before it has read all
      child.stdin.end(bytes);
      child.on("error", () => resolve("cannot be tried"));
      child.on("close", (code, signal) => resolve(resultOf(output, code, signal)));
    } catch {
      resolve("cannot be tried"); // as where Node's permission model forbids it
    }
  });
}

/** Node's own exit codes are small; an abort is a signal, or a large code from a shell or Windows. */
function resultOf(output: string, code: number | null, signal: NodeJS.Signals | null): TrialResult {
  if (code === 0 && output.startsWith("[")) return JSON.parse(output);
  const isAbort = signal === null ? (code ?? 0) > 127 : signal !== "SIGKILL" && signal !== "SIGTERM";
  return isAbort ? "aborts" : "cannot be tried";
}
