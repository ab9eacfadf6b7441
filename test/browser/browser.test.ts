import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { bundlePage } from "./bundle.ts";
import { callInNode, launch, pageSource, type Run, root } from "./page.ts";
import { type ServerOptions, startServer, type TestServer } from "./server.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-browser-"));
let browser: Browser;
const servers: TestServer[] = [];
let problems: string[] = [];

beforeAll(async () => {
  browser = await launch();
});
afterEach(() => {
  expect(problems).toEqual([]);
  problems = [];
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
  await Promise.all(servers.map((server) => server.close()));
});

async function openPage(isolated: boolean, options: Partial<ServerOptions> = {}): Promise<Page> {
  const server = await startServer({ root, isolated, pages: { "/": pageSource() }, ...options });
  servers.push(server);
  const page = await browser.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(server.url);
  return page;
}

/** Calls a function of program.js. As text: Vitest would rewrite an import that stands in a function. */
function call<T>(page: Page, call: string): Promise<T> {
  return page.evaluate<T>(`import("/test/browser/program.js").then(async (program) => program.${call})`);
}

test("an isolated page trains with threads, bit for bit as Node does", async () => {
  const page = await openPage(true);
  expect(await page.evaluate("crossOriginIsolated")).toBe(true);
  const here = callInNode<Run>("trainAndWrite(2)");
  const there = await call<Run>(page, "trainAndWrite(2)");
  expect(there.threads).toBe(2);
  expect(there.fma).toBe(true);
  expect(there.losses).toEqual(here.losses);
  expect(there.norms).toEqual(here.norms);
  expect(there.tokens).toEqual(here.tokens);
  expect(here.losses).toHaveLength(8);
  expect(here.losses[7]).toBeLessThan(here.losses[0] ?? 0);
  await page.close();
});

test("a page without shared memory trains in one thread, to the same bits", async () => {
  const page = await openPage(false);
  expect(await page.evaluate("crossOriginIsolated")).toBe(false);
  const here = callInNode<Run>("trainAndWrite(2)");
  const there = await call<Run>(page, "trainAndWrite(2)");
  expect(there.threads).toBe(1);
  expect(there.losses).toEqual(here.losses);
  expect(there.tokens).toEqual(here.tokens);
  await page.close();
});

test("a page saves a model as a download, the same file as Node's, and loads it from a URL or a Blob", async () => {
  const page = await openPage(true);
  const path = join(folder, "model.bin");
  callInNode(`trainAndSave(${JSON.stringify(path)})`);
  const download = page.waitForEvent("download");
  await call(page, 'trainAndSave("runs/model.bin")');
  expect((await download).suggestedFilename()).toBe("model.bin");
  expect(readFileSync(await (await download).path()).equals(readFileSync(path))).toBe(true);

  const fixture = "test/fixtures/gpt2_tiny.bin";
  const here = callInNode<number[]>(`loadAndWrite("${fixture}")`);
  expect(await call(page, `loadAndWrite("/${fixture}")`)).toEqual(here);
  expect(await call(page, `loadAndWrite(await (await fetch("/${fixture}")).blob())`)).toEqual(here);
  await page.close();
});

test("a page bundled by Vite finds kernels and workers, and trains to the same bits", async () => {
  const bundle = await bundlePage(join(folder, "page"));
  const html = readFileSync(join(bundle, "index.html"), "utf8");
  const page = await openPage(true, { root: bundle, pages: { "/": html } });
  await page.waitForFunction("globalThis.program");
  const there = await page.evaluate<Run>("program.trainAndWrite(2)");
  expect(there.threads).toBe(2);
  expect(there.losses).toEqual(callInNode<Run>("trainAndWrite(2)").losses);
  await page.close();
});
