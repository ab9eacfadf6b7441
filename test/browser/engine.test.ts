/** The studio's engine in a real tab. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { TrainEvent } from "../../src/train/events.ts";
import type { DeviceInfo, RunDetail, RunInfo, StoredRun, TrainChoice, WriteResult } from "../../web/engine/protocol.ts";
import { bundleEnginePage } from "./bundle.ts";
import { EngineTab } from "./engine-tab.ts";
import { launch, launchWithDisk, root } from "./page.ts";
import { startServer, type TestServer } from "./server.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-engine-"));
const options = { threads: 2, kernel: "relaxed-6x8" };
const choice: TrainChoice = {
  model: { kind: "custom", L: 2, NH: 2, C: 64 },
  ...{ batch: 8, block: 64, steps: 240, learningRate: 1e-3, schedule: "cosine", warmupSteps: 10, order: "random" },
  ...{ valEvery: 80, valBatches: 2, sampleEvery: 80, sampleTokens: 40 },
};
const shakespeare = '{ kind: "shakespeare", tokenizer: "char" }';
const start = (some: Partial<TrainChoice> = {}) => `engine.start(${JSON.stringify({ ...choice, ...some })})`;
/** Endless until it is stopped. */
const endless = start({ steps: 1_000_000, valEvery: 0, sampleEvery: 0 });

let browser: BrowserContext;
let isolated: TestServer;
let plain: TestServer;
let whole: string[];
let model: Buffer;
const tabs: EngineTab[] = [];

beforeAll(async () => {
  browser = await launchWithDisk(join(folder, "profile"));
  const bundle = await bundleEnginePage(join(folder, "page"));
  const pages = { "/": readFileSync(join(bundle, "index.html"), "utf8") };
  isolated = await startServer({ root: bundle, isolated: true, pages });
  plain = await startServer({ root: bundle, isolated: false, pages });
  const args = [join(folder, "node"), JSON.stringify(options), JSON.stringify(choice)];
  const program = join(root, "test/browser/train-in-node.ts");
  whole = outcome(
    JSON.parse(execFileSync(process.execPath, ["--conditions=source", program, ...args], { encoding: "utf8" })),
  );
  const runs = join(folder, "node/runs/custom-001");
  model = readFileSync(join(runs, readdirSync(runs).find((name) => /^model_00000240\.bin$/.test(name)) ?? ""));
});
afterEach(async () => {
  for (const { page, problems } of tabs.splice(0)) {
    expect(problems).toEqual([]);
    await page.close();
  }
});
afterAll(async () => {
  await browser?.close();
  await isolated?.close();
  await plain?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(server = isolated): Promise<EngineTab> {
  const tab = await EngineTab.open(browser, `${server.url}/?threads=${options.threads}&kernel=${options.kernel}`);
  tabs.push(tab);
  return tab;
}

/** All losses and texts of a run in order; of repeated steps, the later ones. */
function outcome(events: readonly TrainEvent[]): string[] {
  const lines = new Map<string, string>();
  for (const event of events)
    if (event.type === "step" || event.type === "val") lines.set(`${event.type} ${event.step}`, String(event.loss));
    else if (event.type === "sample") lines.set(`sample ${event.step}`, event.text);
  return [...lines].map(([name, value]) => `${name}: ${value}`).sort();
}

test("a run that is paused, written with, cut by a reload and continued is Node's uninterrupted one, bit for bit", async () => {
  const tab = await open();
  expect(await tab.call<DeviceInfo>("engine.device()")).toMatchObject({
    ...{ threads: 2, kernel: "relaxed-6x8", relaxed: true, sharedMemory: true },
    storage: { kind: expect.stringMatching(/kept|best-effort/), quota: expect.any(Number) },
  });
  await tab.call(`engine.prepare(${shakespeare})`);
  const { name } = await tab.call<RunInfo>(start());
  await tab.untilStep(20);
  await tab.call("engine.pause()");
  await tab.untilPhase("paused");
  await tab.call("engine.resume()");
  const { text, tokens, step } = await tab.call<WriteResult>(
    'engine.write("ROMEO:", { maxTokens: 100, temperature: 0.8 }, (piece) => { globalThis.piece = piece; })',
  );
  expect({ tokens, length: text.length }).toEqual({ tokens: 100, length: 100 });
  expect(step).toBeGreaterThanOrEqual(20);
  expect(text.endsWith(await tab.call<string>("globalThis.piece"))).toBe(true);
  await tab.untilStep(90);
  const before = (await tab.received()).events;
  expect(before.at(-1)).not.toMatchObject({ type: "done" });

  await tab.reload();
  const offered = await tab.call<StoredRun[]>("engine.stored()");
  expect(offered).toMatchObject([{ folder: name, status: "cut off", canResume: true, steps: 240 }]);
  const { from } = await tab.call<RunInfo>(`engine.resumeRun("${name}")`);
  expect(from).toBe(offered[0]?.checkpoint);
  await tab.untilPhase("done");
  const after = (await tab.received()).events;
  expect(outcome([...before, ...after])).toEqual(whole);

  const exported = 'engine.export("bin").then(async ([file]) => [...new Uint8Array(await file.arrayBuffer())])';
  expect(Buffer.from(await tab.call<number[]>(exported)).equals(model)).toBe(true);
  const columns = await tab.call<number>(`engine.columns("${name}").then(({ byteLength }) => byteLength)`);
  // 4 numbers of 8 bytes, 240 steps of 5 numbers, validations of 2.
  expect(columns).toBe(32 + 240 * 20 + 4 * 8);
  await tab.call(`engine.deleteRun("${name}")`);
  expect(await tab.call("engine.stored()")).toEqual([]);
});

test("a second tab is refused a run, and has it once the first is closed", async () => {
  const first = await open();
  await first.call(`engine.prepare(${shakespeare})`);
  const { name } = await first.call<RunInfo>(endless);
  await first.untilStep(3);
  const second = await open();
  expect(await second.call("engine.stored()")).toMatchObject([{ status: "running", canResume: false }]);
  await expect(second.call(`engine.resumeRun("${name}")`)).rejects.toThrow(/InputError: .*a tab of this browser/);
  await first.call("engine.saveSoon()");
  await first.until('received.events.some(({ type }) => type === "checkpoint")');
  await first.page.close();
  const { from } = await second.call<RunInfo>(`engine.resumeRun("${name}")`);
  expect(from).toBeGreaterThanOrEqual(3);
  await second.call("engine.stop()");
  await second.untilPhase("stopped");
  await second.call(`engine.deleteRun("${name}")`);
});

test("a full storage does not stop a run: it says so, and saves when there is room again", async () => {
  const tab = await open();
  await tab.call(`engine.prepare(${shakespeare})`);
  await tab.call(endless);
  await tab.untilStep(3);
  const devtools = await browser.newCDPSession(tab.page);
  const origin = await tab.call<string>("location.origin");
  await devtools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1000 });
  await tab.call("engine.saveSoon()");
  await tab.until("typeof received.latest.unsaved === 'string'");
  const full = await tab.received();
  expect(full.latest.unsaved).toMatch(/storage .* is full/);
  expect(full.remarks.join()).toMatch(/could not be saved.*The run continues|log cannot be written.*The run continues/);
  await tab.untilStep((full.events.at(-1)?.step ?? 0) + 3);

  await devtools.send("Storage.overrideQuotaForOrigin", { origin });
  await tab.call("engine.saveSoon()");
  await tab.until("received.latest.unsaved === null");
  await tab.call("engine.stop()");
  const [stored] = await tab.call<StoredRun[]>("engine.stored()");
  expect(stored).toMatchObject({ status: "interrupted", canResume: true, checkpoint: stored?.step });
  await tab.call(`engine.deleteRun("${stored?.folder}")`);
});

test("a storage that is full for a while loses no line of the log, nor part of one", async () => {
  // A private window's storage accepts only a part of a write.
  const privateBrowser = await launch();
  const context = await privateBrowser.newContext();
  const tab = await EngineTab.open(context, `${isolated.url}/?threads=${options.threads}&kernel=${options.kernel}`);
  await tab.call(`engine.prepare(${shakespeare})`);
  const { name } = await tab.call<RunInfo>(endless);
  await tab.untilStep(20);
  const devtools = await context.newCDPSession(tab.page);
  const origin = await tab.call<string>("location.origin");
  const { usage } = await devtools.send("Storage.getUsageAndQuota", { origin });
  await devtools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: usage + 1000 });
  await tab.until("typeof received.latest.unsaved === 'string'");
  await tab.untilStep(((await tab.received()).events.at(-1)?.step ?? 0) + 50);
  await devtools.send("Storage.overrideQuotaForOrigin", { origin });
  await tab.call("engine.stop()");
  await tab.untilPhase("stopped");
  expect((await tab.received()).latest.unsaved).toBe(null);
  expect((await tab.received()).latest.state).toMatchObject({ phase: "stopped", isSaved: true });
  const steps = (await tab.received()).events.filter(({ type }) => type === "step").length;
  const columns = await tab.call<number>(`engine.columns("${name}").then(({ byteLength }) => byteLength)`);
  expect({ broken: (await tab.call<RunDetail>(`engine.detail("${name}")`)).broken, columns }).toEqual({
    broken: 0,
    columns: 32 + 20 * steps,
  });
  expect(tab.problems).toEqual([]);
  await privateBrowser.close();
});

test("a kernel worker that ends takes the run with it, but not its checkpoint", async () => {
  const tab = await open();
  await tab.call("void (globalThis.engine = fragileEngine())");
  // Directly by comlink, where a listener is a separate port.
  await tab.call("engine.configure({ threads: 2 })");
  await tab.call(`engine.prepare(${shakespeare})`);
  const { name } = await tab.call<RunInfo>(endless);
  const stored = () => tab.call<StoredRun[]>("engine.stored()").then(([run]) => run);
  await tab.call("engine.pause()");
  await tab.call("engine.resume()");
  await expect.poll(async () => (await stored())?.step ?? 0).toBeGreaterThan(3);
  await tab.call("engine.pause()");
  await tab.call("engine.resume()");
  await tab.call(`void new BroadcastChannel("fail").postMessage("now")`);
  await expect.poll(async () => (await stored())?.status).toBe("cut off");
  const cut = await stored();
  expect(cut?.checkpoint).toBeGreaterThan(3);
  expect(cut?.canResume).toBe(true);
  await expect(tab.call('engine.export("bin")')).rejects.toThrow(/no model/);
  // Replaced by another backend.
  const { from } = await tab.call<RunInfo>(`engine.resumeRun("${name}")`);
  expect(from).toBe(cut?.checkpoint);
  await tab.call("engine.stop()");
  await tab.call(`engine.deleteRun("${name}")`);
});

test("a page that is not isolated computes in one thread, receives events, and gets the same bits", async () => {
  const tab = await open(plain);
  expect(await tab.call<DeviceInfo>("engine.device()")).toMatchObject({ threads: 1, sharedMemory: false });
  await tab.call(`engine.prepare(${shakespeare})`);
  const { name } = await tab.call<RunInfo>(start({ steps: 240 }));
  await tab.untilStep(5);
  const { reason } = await tab.call<WriteResult>(`{
    const controller = new AbortController();
    const writing = engine.write("ROMEO:", { maxTokens: 1e6 }, () => controller.abort(), controller.signal);
    writing;
  }`);
  expect(reason).toBe("interrupted");
  await tab.call("engine.stop()");
  const made = outcome((await tab.received()).events.filter(({ type }) => type === "step"));
  expect(made.length).toBeGreaterThan(5);
  expect(whole).toEqual(expect.arrayContaining(made));
  await tab.call(`engine.deleteRun("${name}")`);
});

test("errors reach the page as they were thrown, and a kernel that is none is refused by name", async () => {
  const tab = await open();
  await tab.call(`engine.prepare(${shakespeare})`);
  const thrown = await tab.call<{ name: string; message: string }>(
    'engine.estimate({ model: { kind: "preset", name: "d7" } }).catch(({ name, message }) => ({ name, message }))',
  );
  expect(thrown).toEqual({ name: "UsageError", message: expect.stringContaining('no preset "d7"') });
  await tab.page.goto(`${isolated.url}/?kernel=fast`);
  await tab.page.waitForFunction("globalThis.isReady");
  await expect(tab.call("engine.device()")).rejects.toThrow(/UsageError: There is no kernel "fast"/);
});
