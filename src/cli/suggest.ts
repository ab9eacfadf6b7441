/**
 * Commands in messages, ready to be pasted: under the name by which this process was started, with arguments that a shell
 * takes as they are.
 */
import { basename, delimiter, dirname, isAbsolute, relative, resolve } from "node:path";
import { quoted } from "../platform/quoted.ts";

/** Facts of a process by which its start can be repeated. */
export interface Start {
  /** As process has them. */
  readonly argv: readonly string[];
  readonly argv0: string;
  readonly execArgv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
}

/** All commands of the program; messages name them as `llm-ts train`. */
export const commandNames = [
  ...[
    "pull",
    "convert",
    "prepare",
    "tokenizer",
    "train",
    "generate",
    "chat",
    "eval",
    "verify",
    "debug-state",
    "trace",
    "learn",
  ],
  ...["encode", "decode"],
  ...["info", "runs", "plot", "studio", "bench", "help"],
] as const;

const named = new RegExp(
  String.raw`(?<![\w./\\-])(?:npx )?llm-ts(?= (?:--help|${commandNames.join("|")})(?![\w-]))`,
  "g",
);

/** A message in which every `llm-ts COMMAND` is called as this process was. */
export function asStarted(text: string): string {
  return text.replaceAll(named, () => programName(start()));
}

/** A command of this program with its arguments, as a shell takes it. */
export function suggestion(...args: readonly string[]): string {
  return [programName(start()), ...args.map((arg) => quoted(arg))].join(" ");
}

/** The arguments without options that take a value, in either of their forms: --rank 8, --rank=8. */
export function withoutOptions(args: readonly string[], names: readonly string[]): string[] {
  return args.filter((arg, at) => {
    const isValue = names.includes(args[at - 1]);
    return !isValue && !names.some((name) => arg === name || arg.startsWith(`${name}=`));
  });
}

function start(): Start {
  const { argv, argv0, execArgv, env, platform } = process;
  return { argv, argv0, execArgv, env, platform, cwd: process.cwd() };
}

/** The words that start this program once more. */
export function programName({ argv: [, script = ""], argv0, execArgv, env, cwd, platform }: Start): string {
  const runner = runnerOf(env, script);
  if (runner) return runner;
  const isShim =
    basename(script) === "llm-ts" || (platform === "win32" && /[\\/]node_modules[\\/]llm-ts[\\/]/.test(script));
  const isOnPath = (env.PATH ?? env.Path ?? "").split(delimiter).some((folder) => resolve(folder) === dirname(script));
  const path = fromHere(script, cwd);
  // On Windows a shim calls Node with the package's own file.
  if (isShim && (isOnPath || (platform === "win32" && isAbsolute(path)))) return "llm-ts";
  const words = isShim && platform !== "win32" ? [isAbsolute(path) ? path : `./${path}`] : [argv0, ...execArgv, path];
  return words.map((word) => quoted(word, platform)).join(" ");
}

/** The command by which npm, pnpm, yarn or bun runs a package's program; undefined where none of them started this process. */
function runnerOf(env: Start["env"], script: string): string | undefined {
  const [agent = ""] = (env.npm_config_user_agent ?? "").split("/");
  if (agent === "bun") return "bunx llm-ts";
  if (agent === "pnpm") return `pnpm ${/[\\/]dlx[\\/-]/.test(script) ? "dlx" : "exec"} llm-ts`;
  if (agent === "yarn") return "yarn llm-ts";
  return env.npm_command === undefined ? undefined : "npx llm-ts";
}

function fromHere(path: string, cwd: string): string {
  const shorter = relative(cwd, path);
  return shorter.startsWith("..") ? path : shorter;
}
