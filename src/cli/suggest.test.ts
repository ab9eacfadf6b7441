import { execFileSync } from "node:child_process";
import { delimiter } from "node:path";
import { expect, test } from "vitest";
import { quoted } from "../platform/quoted.ts";
import { commandNames, programName, type Start } from "./suggest.ts";

const plain: Start = { argv: [], argv0: "node", execArgv: [], env: {}, cwd: "/home/me", platform: "linux" };
const startedAs = (script: string, start: Partial<Start> = {}) =>
  programName({ ...plain, argv: ["/usr/bin/node", script], ...start });

test("commands are suggested as the program was started", () => {
  const npm = (command: string) => ({ npm_config_user_agent: "npm/11.0.0 node/v24.0.0", npm_command: command });
  const shim = "/home/me/node_modules/.bin/llm-ts";
  expect(startedAs(shim, { env: npm("exec") })).toBe("npx llm-ts");
  expect(startedAs("/home/me/dist/cli/main.js", { env: npm("start") })).toBe("npx llm-ts");
  expect(startedAs("/home/me/dist/cli/main.js")).toBe("node dist/cli/main.js");
  expect(startedAs("/opt/llm.ts/dist/cli/main.js")).toBe("node /opt/llm.ts/dist/cli/main.js");
  expect(
    startedAs("/home/me/a b/main.js", { argv0: "/opt/node 24/node", execArgv: ["--max-old-space-size=512"] }),
  ).toBe("'/opt/node 24/node' --max-old-space-size=512 'a b/main.js'");
  expect(startedAs("/usr/bin/llm-ts", { env: { PATH: ["/bin", "/usr/bin"].join(delimiter) } })).toBe("llm-ts");
  expect(startedAs(shim, { env: { PATH: "/usr/bin" } })).toBe("./node_modules/.bin/llm-ts");
  expect(startedAs(shim, { env: { npm_config_user_agent: "bun/1.4.0", npm_command: "exec" } })).toBe("bunx llm-ts");
  expect(startedAs(shim, { env: { npm_config_user_agent: "pnpm/10.0.0" } })).toBe("pnpm exec llm-ts");
  expect(
    startedAs("/home/me/.cache/pnpm/dlx/x/node_modules/.bin/llm-ts", { env: { npm_config_user_agent: "pnpm/10" } }),
  ).toBe("pnpm dlx llm-ts");
  expect(startedAs(shim, { env: { npm_config_user_agent: "yarn/4.0.0" } })).toBe("yarn llm-ts");
});

const awkward = [
  ...[
    "plain",
    "runs/baby-001",
    "ou t",
    "x$y",
    "it's",
    'a "b"',
    "a;b&c|d",
    "`id`",
    "*",
    "~",
    "#a",
    "!x",
    "a\\b",
    "",
    "=ls",
  ],
  ...["-x", "火车", "a\nb", "\t", "$(id)", "50%", "{a,b}", "[a]", "<a>"],
];

test("a shell takes a quoted argument as it is", () => {
  const script = awkward.map((arg) => quoted(arg, "linux")).join(" ");
  const print = "process.stdout.write(JSON.stringify(process.argv.slice(1)))";
  const found = execFileSync("sh", ["-c", `"$0" -e '${print}' -- ${script}`, process.execPath], { encoding: "utf8" });
  expect(JSON.parse(found)).toEqual(awkward);
});

test("what needs no quotes has none", () => {
  for (const arg of ["runs/baby-001", "--model", "gpt2_124M.bin", "/a/b.c", "USER/REPO", "火车", "1e-4"])
    for (const platform of ["linux", "win32"] as const) expect(quoted(arg, platform)).toBe(arg);
  expect(quoted(String.raw`C:\a b`, "win32")).toBe(String.raw`"C:\a b"`);
  expect(quoted(String.raw`C:\runs`, "win32")).toBe(String.raw`C:\runs`);
  expect(quoted("x$y", "win32")).toBe("'x$y'");
});

test("the commands that messages can name are those of the program", async () => {
  const { createProgram } = await import("./program.ts");
  expect(createProgram().commands.map((command) => command.name())).toEqual(commandNames);
});
