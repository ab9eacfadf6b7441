/**
 * The bundler instructions of docs/browser.md, followed with the packed library in a project of its own: each page is
 * bundled, runs in Chromium, and trains to Node's bits, or fails as described.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installPacked } from "../packed.ts";
import { testFolder } from "../run-cli.ts";
import { callInNode, launch, type Run, root, watch } from "./page.ts";
import { startServer } from "./server.ts";

const project = join(testFolder(), "project");
const inProject = (...names: string[]) => join(project, ...names);
const require = createRequire(inProject("app.js"));
const docs = readFileSync(join(root, "docs/browser.md"), "utf8");
/** Names in the documentation's table: "vite@8". */
const bundlers = [...docs.matchAll(/^\| (vite|webpack|esbuild) ([\d.]+) \|/gim)].map(([, name = "", version]) => ({
  name: name.toLowerCase(),
  version,
}));
let browser: Browser;
let inNode: Run;

beforeAll(async () => {
  installPacked(project, ...bundlers.map(({ name, version }) => `${name}@${version}`));
  inNode = callInNode("trainAndWrite(2)");
  browser = await launch();
}, 300_000);
afterAll(() => browser?.close());

/** A reader's module, which imports the library by this name. */
function writeApp(library = "llm-ts"): void {
  const program = readFileSync(join(root, "test/browser/program.js"), "utf8");
  const app = program.replace('from "llm-ts"', `from "${library}"`);
  writeFileSync(inProject("app.js"), `${app}\nglobalThis.program = { trainAndWrite };\n`);
}

function writePage(folder: string, script: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "index.html"), `<!doctype html><link rel="icon" href="data:,">${script}`);
}

/** Opens the page of a folder for the time of a task. */
async function withPage(folder: string, task: (page: Page, problems: string[]) => Promise<void>): Promise<void> {
  const pages = { "/": readFileSync(join(folder, "index.html"), "utf8") };
  const server = await startServer({ root: folder, isolated: true, pages });
  const page = await browser.newPage();
  const problems: string[] = [];
  watch(page, problems);
  try {
    await page.goto(server.url);
    await page.waitForFunction("globalThis.program");
    await task(page, problems);
  } finally {
    await page.close();
    await server.close();
  }
}

async function expectNodesBits(folder: string): Promise<void> {
  await withPage(folder, async (page, problems) => {
    const { threads, losses, tokens } = await page.evaluate<Run>("program.trainAndWrite(2)");
    expect(threads).toBe(2);
    expect(losses).toEqual(inNode.losses);
    expect(tokens).toEqual(inNode.tokens);
    expect(problems).toEqual([]);
  });
}

test("the documentation names the bundlers that are tried", () => {
  expect(bundlers.map(({ name }) => name)).toEqual(["vite", "webpack", "esbuild"]);
});

test("Vite needs no configuration", async () => {
  writeApp();
  writePage(project, '<script type="module" src="./app.js"></script>');
  execFileSync(process.execPath, [inProject("node_modules/vite/bin/vite.js"), "build"], {
    cwd: project,
    stdio: "pipe",
  });
  await expectNodesBits(inProject("dist"));
});

test("webpack needs no configuration", async () => {
  writeApp();
  const webpack = require("webpack");
  const output = { path: inProject("webpack") };
  const stats = await new Promise<{ hasErrors(): boolean; toString(): string }>((resolve, reject) => {
    const done = (error: unknown, stats: never) => (error ? reject(error) : resolve(stats));
    // Minimizing would be most of the time.
    const optimization = { minimize: false };
    webpack({ mode: "production", context: project, entry: "./app.js", output, optimization }, done);
  });
  expect(stats.hasErrors(), stats.toString()).toBe(false);
  writePage(output.path, '<script defer src="./main.js"></script>');
  await expectNodesBits(output.path);
});

test("esbuild leaves kernels and workers out, without a warning, and the page says so", async () => {
  writeApp();
  const options = { absWorkingDir: project, entryPoints: ["app.js"], outfile: "left-out/app.js" };
  const { warnings } = await require("esbuild").build({ ...options, bundle: true, format: "esm" });
  expect(warnings).toEqual([]);
  writePage(inProject("left-out"), '<script type="module" src="./app.js"></script>');
  await withPage(inProject("left-out"), async (page, problems) => {
    await expect(page.evaluate("program.trainAndWrite(2)")).rejects.toThrow(
      /BackendError: The kernels of llm-ts cannot be loaded: .*relaxed-shared\.wasm.* esbuild, leaves them out: docs\/browser\.md/,
    );
    expect(problems).toEqual([expect.stringContaining("404")]);
  });
});

test.skipIf(process.platform === "win32")("with the documentation's commands esbuild's page trains", async () => {
  writeApp("./llm-ts/llm-ts.js");
  const [, commands = ""] = /```sh\n([^`]*npx esbuild[^`]*)```/.exec(docs) ?? [];
  execFileSync("sh", ["-ec", commands], { cwd: project, stdio: "pipe" });
  writePage(inProject("out"), '<script type="module" src="./app.js"></script>');
  await expectNodesBits(inProject("out"));
});
