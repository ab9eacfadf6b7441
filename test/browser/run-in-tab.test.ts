/** A whole run in a dedicated worker of a page, with its folder in the browser's storage. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundleWorkerPage } from "./bundle.ts";
import { callInNode, launchWithDisk } from "./page.ts";
import { startServer, type TestServer } from "./server.ts";
import { Tab } from "./tab.ts";

interface Run {
  readonly from: number;
  readonly losses: Record<string, number>;
  readonly takenFrom?: string;
}

const folder = mkdtempSync(join(tmpdir(), "llm-ts-tab-"));
let browser: BrowserContext;
let server: TestServer;

beforeAll(async () => {
  browser = await launchWithDisk(join(folder, "profile"));
  const bundle = await bundleWorkerPage(join(folder, "page"));
  const html = readFileSync(join(bundle, "index.html"), "utf8");
  server = await startServer({ root: bundle, isolated: true, pages: { "/": html } });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const read = (path: string) => `
  const source = await platform.openSource("${path}");
  const bytes = await source.read(0, source.size);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));`;

test("a run whose worker is terminated resumes from its checkpoint, bit for bit as an uninterrupted one in Node", async () => {
  const there = (name: string) => join(folder, "node", name);
  callInNode(`prepare(${JSON.stringify(there("data"))})`, "run-program.js");
  const args = [there("data"), there("run"), 30, 10].map((each) => JSON.stringify(each)).join(", ");
  const straight = callInNode<Run>(`train(${args})`, "run-program.js");
  expect(Object.keys(straight.losses)).toHaveLength(30);

  const tab = await Tab.open(browser, server.url);
  const first = await tab.start();
  await first.call('return run.prepare("opfs:/data/shakespeare")');
  for (const name of ["tiny_shakespeare_train.bin", "tiny_shakespeare_val.bin", "tokenizer.bin", "dataset.json"])
    expect(await first.call(read(`opfs:/data/shakespeare/${name}`))).toBe(
      readFileSync(there(`data/${name}`), "base64"),
    );

  // The 16th update never ends: the worker is lost within it.
  const lost = first.call(`return new Promise((resolve, reject) => {
    const hang = (step) => { if (step === 15) { resolve(); for (;;); } };
    run.train("opfs:/data/shakespeare", "opfs:/runs/one", 30, 10, hang).catch(reject);
  })`);
  lost.catch(() => {});
  const second = await tab.start();
  const isAt = `
    if ((await platform.pathKind("opfs:/runs/one/DONE_00000010")) === undefined) return false;
    return (await platform.lockOwner("opfs:/runs/one/run.lock"))?.who`;
  await expect.poll(() => second.call(isAt), { timeout: 60_000 }).toBe("a tab of this browser");
  await expect(second.call('return run.train("opfs:/data/shakespeare", "opfs:/runs/one", 30, 10)')).rejects.toThrow(
    /InputError: opfs:\/runs\/one\/run\.lock is held by a tab of this browser, since 2.*close that tab/,
  );
  await first.terminate();

  const rest = await second.call<Run>('return run.train("opfs:/data/shakespeare", "opfs:/runs/one", 30, 10)');
  expect(rest.takenFrom).toBe("a tab of this browser");
  expect(rest.from).toBe(10);
  for (const [step, loss] of Object.entries(rest.losses)) expect([step, loss]).toEqual([step, straight.losses[step]]);
  expect(Object.keys(rest.losses)).toHaveLength(20);
  for (const name of ["model_00000030.bin", "state_00000030_00000.bin", "main.log"])
    expect(await second.call(read(`opfs:/runs/one/${name}`))).toBe(readFileSync(there(`run/${name}`), "base64"));
  const files = await second.call<string[]>('return platform.listFolder("opfs:/runs/one")');
  expect(files.filter((name) => name.startsWith("."))).toEqual([]);
  expect(files).not.toContain("run.lock");
  expect(tab.problems).toEqual([]);
  await tab.page.close();
});
