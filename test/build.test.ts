/** `npm run build` on top of an earlier build, in small: scripts/steps.mjs with steps that copy files. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { root } from "./nodes.ts";
import { testFolder, written } from "./run-cli.ts";

const home = testFolder();
let project = "";
let count = 0;

/**
 * Two steps, the second one's folder within the first one's. Each takes `ms`, or, with "go", until there is a
 * file of that name, and fails on a file with "error" in it. */
const script = `
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { runSteps } from ${JSON.stringify(pathToFileURL(join(root, "scripts", "steps.mjs")).href)};
const [root, ms] = process.argv.slice(2);
const pause = async () => {
  if (ms !== "go") return wait(ms / 2);
  while (!existsSync(root + "/go")) await wait(10);
};
const copy = (from) => async (out) => {
  for (const name of readdirSync(root + "/" + from)) {
    const text = readFileSync(root + "/" + from + "/" + name, "utf8");
    if (text.includes("error")) throw new Error(name + " has an error");
    writeFileSync(out + "/" + name, text.slice(0, 1));
    await pause();
    writeFileSync(out + "/" + name, text);
  }
};
await runSteps({
  root,
  steps: [
    { name: "outer", from: ["src"], to: "dist", build: copy("src") },
    { name: "inner", from: ["web"], to: "dist/web", build: copy("web") },
  ],
});
`;

beforeEach(() => {
  project = join(home, `${++count}`);
  for (const folder of ["src", "web"]) mkdirSync(join(project, folder), { recursive: true });
  writeFileSync(join(project, "build.mjs"), script);
  write({ "src/a": "a1", "src/b": "b1", "web/c": "c1" });
});

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
}

function start(ms: number | "go" = 0, ...options: string[]): ChildProcess {
  return spawn(process.execPath, [...options, join(project, "build.mjs"), project, `${ms}`]);
}

async function ended(child: ChildProcess): Promise<{ code: number | null; text: string }> {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (piece) => (text += piece));
  const [code] = await once(child, "close");
  return { code, text };
}

/** The files in dist with their contents. */
function built(): Record<string, string> {
  const folder = join(project, "dist");
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, "utf8")]));
}

const whole = { a: "a1", b: "b1", "web/c": "c1" };
const leftovers = () => readdirSync(join(project, ".build")).filter((name) => name !== "made.json");

test("a second build of this program does nothing", async () => {
  const build = () => ended(spawn(process.execPath, [join(root, "scripts", "build.mjs")]));
  const main = join(root, "dist", "cli", "main.js");
  // Where the tests were started without npm, something may have changed since the last build.
  await build();
  const before = statSync(main);
  const { code, text } = await build();
  expect([code, text]).toEqual([0, "build: everything is up to date\n"]);
  expect(statSync(main)).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
});

test("a step runs where its inputs or its outputs have changed, and says so", async () => {
  const first = await ended(start());
  expect(first.text).toMatch(/^build: dist\/, outer: \d+\.\d s\nbuild: dist\/web\/, inner: \d+\.\d s\n$/);
  expect([first.code, built()]).toEqual([0, whole]);
  expect((await ended(start())).text).toBe("build: everything is up to date\n");
  write({ "web/c": "c2" });
  expect((await ended(start())).text).toMatch(/^build: dist\/web\/, inner: \S+ s\n$/);
  expect(built()).toEqual({ ...whole, "web/c": "c2" });
  write({ "dist/a": "damaged" });
  rmSync(join(project, "dist/b"));
  expect((await ended(start())).text).toMatch(/^build: dist\/, outer: \S+ s\n$/);
  expect(built()).toEqual({ ...whole, "web/c": "c2" });
});

test("what is no longer made is removed, and a file that did not change is not replaced", async () => {
  await ended(start());
  const before = statSync(join(project, "dist/a"));
  rmSync(join(project, "src/b"));
  await ended(start());
  expect(built()).toEqual({ a: "a1", "web/c": "c1" });
  expect(statSync(join(project, "dist/a")).ino).toBe(before.ino);
});

test("a build that fails leaves the old files", async () => {
  await ended(start());
  write({ "src/a": "a2", "web/c": "error" });
  expect((await ended(start())).code).toBe(1);
  expect(built()).toEqual(whole);
  expect(leftovers()).toEqual([]);
});

test.runIf(process.platform !== "win32").each(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
  "a build ended by %s leaves the old files, and the next one works",
  async (signal) => {
    await ended(start());
    write({ "src/a": "a2", "src/b": "b2" });
    const child = start(200);
    const done = ended(child);
    while (!existsSync(join(project, ".build", "staging", "0", "a"))) await wait(10);
    child.kill(signal);
    expect((await done).code).toBe({ SIGINT: 130, SIGTERM: 143, SIGKILL: null }[signal]);
    expect(built()).toEqual(whole);
    if (signal !== "SIGKILL") expect(leftovers()).toEqual([]);
    expect((await ended(start())).code).toBe(0);
    expect(built()).toEqual({ ...whole, a: "a2", b: "b2" });
    expect(leftovers()).toEqual([]);
  },
);

test("of builds at once one works, the others wait, and then have nothing to do", async () => {
  const first = ended(start("go"));
  while (!existsSync(join(project, ".build", "staging", "0", "a"))) await wait(10);
  const others = [start("go"), start("go")];
  const results = others.map(ended);
  await Promise.all(others.map(({ stdout }) => stdout && written(stdout, "another build is running")));
  write({ go: "" });
  expect((await first).text).toContain("build: dist/, outer");
  for (const { code, text } of await Promise.all(results)) {
    expect(code).toBe(0);
    expect(text).not.toContain("build: dist/");
  }
  expect(built()).toEqual(whole);
});

describe("the lock of a build that died counts for nothing", () => {
  const lock = () => join(project, ".build", "lock");
  beforeEach(() => mkdirSync(join(project, ".build")));
  afterEach(() => expect(leftovers()).toEqual([]));

  test("whose process is gone", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "exit");
    writeFileSync(lock(), JSON.stringify({ pid: child.pid, host: hostname() }));
    expect((await ended(start())).code).toBe(0);
  });

  test.each(["", "{", '"text"'])("that a crash has damaged: %s", async (text) => {
    writeFileSync(lock(), text);
    utimesSync(lock(), new Date(), new Date(Date.now() - 6000));
    expect((await ended(start())).code).toBe(0);
  });

  test("whose process id is this build's: of a restarted container", async () => {
    const write = `fs.writeFileSync(${JSON.stringify(lock())}, JSON.stringify({ pid: process.pid, host: os.hostname() }))`;
    const preload = `data:text/javascript,import fs from "node:fs"; import os from "node:os"; ${write}`;
    expect((await ended(start(0, "--import", preload))).code).toBe(0);
  });
});

test("while files are replaced again and again, none is ever missing or cut", async () => {
  await ended(start());
  const seen = new Set<string>();
  for (let version = 1; version <= 5; version++) {
    write({ "src/a": `a${version}` });
    const done = ended(start(20));
    let isRunning = true;
    done.finally(() => {
      isRunning = false;
    });
    while (isRunning) {
      seen.add(readFileSync(join(project, "dist/a"), "utf8"));
      await new Promise(setImmediate);
    }
    await done;
  }
  seen.add(readFileSync(join(project, "dist/a"), "utf8"));
  expect([...seen]).toEqual(["a1", "a2", "a3", "a4", "a5"]);
});
