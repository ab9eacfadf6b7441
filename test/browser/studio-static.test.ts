/** The studio's page as static files, on a server that can neither isolate it nor compute for it. */
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { solved } from "../learn-solutions.ts";
import { launch, root } from "./page.ts";
import { startServer, type TestServer } from "./server.ts";

let browser: Browser;
let server: TestServer;

beforeAll(async () => {
  browser = await launch();
  server = await startServer({ root: join(root, "dist"), isolated: false });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test("it isolates itself with a service worker, and asks no other machine for anything", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems: string[] = [];
  const elsewhere: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  let loads = 0;
  page.on("load", () => loads++);
  context.on("request", (request) => {
    if (!request.url().startsWith(server.url)) elsewhere.push(request.url());
  });
  await page.goto(`${server.url}/web/index.html`);
  // It has loaded itself once more.
  await expect.poll(() => loads).toBe(2);
  expect(await page.evaluate("crossOriginIsolated")).toBe(true);
  expect(await page.getByRole("navigation").isVisible()).toBe(true);
  // It checks for a server of runs.
  await page.getByRole("link", { name: "Runs" }).click();
  await page.getByRole("link", { name: "Or train in this browser" }).waitFor();
  expect(problems).toEqual([]);
  expect(elsewhere).toEqual([]);
  await context.close();
});

test("without service workers it stays as it is", async () => {
  const context = await browser.newContext({ serviceWorkers: "block" });
  const page = await context.newPage();
  let loads = 0;
  page.on("load", () => loads++);
  await page.goto(`${server.url}/web/index.html`);
  await page.getByRole("navigation").waitFor();
  expect(await page.evaluate("crossOriginIsolated")).toBe(false);
  expect(loads).toBe(1);
  await context.close();
});

test("an exercise is judged there, too", async () => {
  const context = await browser.newContext({ locale: "en-US" });
  const page = await context.newPage();
  await page.goto(`${server.url}/web/index.html#learn/03-embeddings`);
  await page.getByLabel("Your code").fill(solved("01-embedding", "ts"));
  await page.getByRole("button", { name: "Check" }).click();
  await page.getByText("✓ Right.").waitFor({ timeout: 30_000 });
  await context.close();
});
