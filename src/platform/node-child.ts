/** Child processes of Node for what may end a process: an entry file beside this one, tried there first. */
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

/** A child process that has ended. */
export interface Ended {
  /** All of its standard output, and of its standard error. */
  readonly output: string;
  readonly errors: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface ChildOptions {
  /** Its standard input. */
  readonly input?: Uint8Array;
  /** Milliseconds after which it is killed. */
  readonly mostMs: number;
}

/** Extension of the entry: that of this file, .ts from the sources, .js from a build. */
const isSource = import.meta.url.endsWith(".ts");

/** False in a single executable, Electron and the like, where it is the whole application that would start again. */
export function canStartNode(): boolean {
  return /^node(js)?(\.exe)?$/.test(basename(process.execPath));
}

/** Runs an entry file with `argument` as JSON; undefined where no process can be started, as under Node's permission model. */
export function runEntry(
  name: string,
  argument: unknown,
  { input = new Uint8Array(), mostMs }: ChildOptions,
): Promise<Ended | undefined> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const entry = fileURLToPath(new URL(`./${name}${isSource ? ".ts" : ".js"}`, import.meta.url));
  const args = [...(isSource ? ["--conditions=source"] : []), entry, JSON.stringify(argument)];
  return new Promise((resolve) => {
    try {
      // In a temporary folder, for the core dump of a process that aborts.
      const child = spawn(process.execPath, args, {
        cwd: tmpdir(),
        env,
        stdio: ["pipe", "pipe", "pipe"],
        timeout: mostMs,
        killSignal: "SIGKILL",
        windowsHide: true,
      });
      const texts = { output: "", errors: "" };
      child.stdout.setEncoding("utf8").on("data", (text) => {
        texts.output += text;
      });
      child.stderr.setEncoding("utf8").on("data", (text) => {
        texts.errors += text;
      });
      child.stdin.on("error", () => {}); // it may have ended before it has read all
      child.stdin.end(input);
      child.on("error", () => resolve(undefined));
      child.on("close", (code, signal) => resolve({ ...texts, code, signal }));
    } catch {
      resolve(undefined);
    }
  });
}
