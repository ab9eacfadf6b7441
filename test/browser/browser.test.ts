import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { launch, pageSource, type Run, root, runInNode } from "./page.ts";
import { startServer, type TestServer } from "./server.ts";

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
  await Promise.all(servers.map((server) => server.close()));
});

async function openPage(isolated: boolean): Promise<Page> {
  const server = await startServer({ root, isolated, pages: { "/": pageSource() } });
  servers.push(server);
  const page = await browser.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(server.url);
  return page;
}

// As text: Vitest would rewrite an import that stands in a function.
const run = (page: Page, threads: number) =>
  page.evaluate<Run>(`import("/test/browser/program.js").then((program) => program.trainAndWrite(${threads}))`);

test("an isolated page trains with threads, bit for bit as Node does", async () => {
  const page = await openPage(true);
  expect(await page.evaluate("crossOriginIsolated")).toBe(true);
  const here = runInNode(2);
  const there = await run(page, 2);
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
  const here = runInNode(2);
  const there = await run(page, 2);
  expect(there.threads).toBe(1);
  expect(there.losses).toEqual(here.losses);
  expect(there.tokens).toEqual(here.tokens);
  await page.close();
});
