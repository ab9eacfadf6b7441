/** Runs the built command as a user would. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { cli } from "./nodes.ts";

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Another copy of the command. */
  readonly program?: string;
}

/** A folder for one test file, removed after it. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "llm-ts-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** No test reaches the real hub, or a real cache. */
const noHub = { HF_HUB_OFFLINE: "1", HF_HOME: join(tmpdir(), "llm-ts-no-such-folder") };

/** For the same messages whether or not npm started the tests. */
const noNpm = { npm_command: undefined, npm_config_user_agent: undefined };

/** The environment of a command under test. */
export function environment(env: RunOptions["env"]): NodeJS.ProcessEnv {
  return { ...process.env, ...noNpm, ...noHub, ...env };
}

/** Starts `llm-ts` with arguments. */
export function start(
  args: readonly string[],
  { cwd, env, program = cli }: RunOptions = {},
): ChildProcessWithoutNullStreams {
  if (!existsSync(cli)) throw new Error("There is no dist/. Run `npm run build` first, or all with `npm test`.");
  const child = spawn(process.execPath, [program, ...args], { cwd, env: environment(env) });
  // A command may end before it has read all of its input.
  child.stdin.on("error", () => {});
  return child;
}

/** Waits for a running command; returns its output. */
export async function result(child: ChildProcessWithoutNullStreams): Promise<Result> {
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text) => {
      texts[name] += text;
    });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  return { code, ...texts };
}

export async function run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const child = start(args, options);
  const done = result(child);
  child.stdin.end(options.input ?? "");
  return done;
}

/** Resolves once a command has written `text` to one of its outputs. */
export function written(stream: NodeJS.ReadableStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let all = "";
    stream.on("data", (piece: Buffer | string) => {
      all += piece;
      if (all.includes(text)) resolve();
    });
    stream.on("end", () => reject(new Error(`"${text}" was never written, only:\n${all}`)));
  });
}

/** Writes an llm.c token file of `count` deterministic tokens below V. */
export function writeTokens(path: string, count: number, V: number): void {
  const header = new Int32Array(256);
  header.set([20240520, 1, count]);
  const tokens = Uint16Array.from({ length: count }, (_, i) => (i * i + 7 * i) % V);
  writeFileSync(path, Buffer.concat([Buffer.from(header.buffer), Buffer.from(tokens.buffer)]));
}
