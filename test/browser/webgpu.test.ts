/** The library on WebGPU in a page: Chromium's, on its software adapter. */
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callInNode, launchOptions, plainPage, type Run, root, watch } from "./page.ts";
import { startServer, type TestServer } from "./server.ts";

let browser: Browser;
let server: TestServer;

beforeAll(async () => {
  const { args = [], ...options } = launchOptions();
  // Without this flag, headless Chromium has no adapter where there is no GPU.
  browser = await chromium.launch({ ...options, args: [...args, "--enable-unsafe-webgpu"] });
  server = await startServer({ root, isolated: false, pages: { "/": plainPage } });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test("a page trains and writes on WebGPU, with the losses of Node's processor", async () => {
  const problems: string[] = [];
  const page = await browser.newPage();
  watch(page, problems);
  await page.goto(server.url);
  const there = await page.evaluate<Run>(
    'import("/test/browser/program.js").then((program) => program.trainAndWriteOnGpu())',
  );
  const here = callInNode<Run>("trainAndWrite(2)");
  expect(there.description).toMatch(/^webgpu, .*swiftshader/i);
  expect(there.losses).toHaveLength(8);
  for (const [i, loss] of there.losses.entries()) expect(Math.abs(loss - here.losses[i])).toBeLessThan(1e-4);
  expect(there.tokens).toHaveLength(20);
  expect(problems).toEqual([]);
});

test("a software adapter is refused unless asked for", async () => {
  const page = await browser.newPage();
  await page.goto(server.url);
  const message = await page.evaluate<string>(
    'import("llm-ts").then(({ createBackend }) => createBackend("webgpu")).catch(({ message }) => message)',
  );
  expect(message).toMatch(/^The backend webgpu is not available here: there is only .*software on the CPU/);
});
