/**
 * How late a timer is while a model trains on WebGPU, in Node and in the studio's page, and how long the page takes to stop:
 *
 *   node --conditions=source scripts/measure-lateness.ts [node|page] [seconds]
 *
 * Needs `npm install webgpu`, and the built page and Chromium (CHROMIUM_PATH) for the page. A software adapter
 * (LLM_TS_FALLBACK_ADAPTER=1 in Node) computes on all cores, so that every thread has to wait for its turn.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { GPT2 } from "../src/api/gpt2.ts";
import { createBackend } from "../src/backend/registry.ts";
import { makeConfig } from "../src/model/config.ts";
import { syntheticTokens } from "../src/model/synthetic-step.ts";
import { startStudio } from "../src/serve/server.ts";
import { Trainer } from "../src/train/trainer.ts";
import { launchOptions } from "../test/browser/page.ts";

/** Milliseconds between two runs of the timer. */
const EVERY_MS = 10;
/** `tiny` of the page. */
const [config, B, T] = [makeConfig({ maxT: 32, V: 65, L: 2, NH: 2, C: 64 }), 16, 32];

const where = process.argv[2] ?? "node";
const seconds = Number(process.argv[3] ?? 20);

/** Starts a timer that notes how late it is. Also runs in a page, so it uses nothing from outside. */
function watch(every: number): void {
  const late: number[] = [];
  let due = performance.now() + every;
  const tick = () => {
    const now = performance.now();
    late.push(Math.max(0, now - due));
    due = now + every;
    setTimeout(tick, every);
  };
  setTimeout(tick, every);
  Object.assign(globalThis, { late });
}

function report(name: string, late: readonly number[]): void {
  const sorted = [...late].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))].toFixed(1);
  const above = sorted.filter((ms) => ms > 50).length;
  console.log(
    `${name}: median ${at(0.5)} ms, 99% ${at(0.99)} ms, most ${at(1)} ms late; ${above} of ${late.length} above 50 ms`,
  );
}

async function inNode(): Promise<void> {
  watch(EVERY_MS);
  const { late } = globalThis as unknown as { late: number[] };
  const taken = () => late.splice(0);
  const backend = await createBackend("webgpu");
  report("Node, starting the backend", taken());
  const model = await GPT2.create(config, { backend });
  const trainer = new Trainer(model);
  const tokens = syntheticTokens(B * T + 1, config.V);
  const batch = { inputs: tokens.subarray(0, B * T), targets: tokens.subarray(1) };
  const loader = { B, T, next: async () => batch, reset() {} };
  let steps = 0;
  const end = performance.now() + 1000 * seconds;
  for await (const event of trainer.run(loader, { steps: 1_000_000, valEvery: 0, sampleEvery: 0 })) {
    if (event.type !== "step") continue;
    if (++steps === 2) report("Node, first two steps", taken());
    if (performance.now() > end) break;
  }
  report(`Node, ${steps} steps on ${backend.device}`, taken());
  await trainer.dispose();
  await backend.dispose();
}

async function inPage(): Promise<void> {
  const { args = [], ...options } = launchOptions();
  const browser = await chromium.launch({ ...options, args: [...args, "--enable-unsafe-webgpu"] });
  const server = await startStudio({ folder: join(tmpdir(), "llm-ts-no-runs"), ports: [0] });
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(`${server.url}?threads=1&backend=webgpu&fallback-adapter`);
  await page.getByLabel(/^tiny/).check();
  await page.locator("details.card summary").click();
  await page.locator("details.card").getByLabel("Updates", { exact: true }).fill("1000000");
  const button = (name: string) => page.locator(".controls").getByRole("button", { name });
  await button("Start training").click();
  await page
    .locator(".progress")
    .getByText(/saved at [1-9]/)
    .waitFor();
  const engine = page.workers().find((worker) => worker.url().includes("engine-worker"));
  if (!engine) throw new Error("The page has no engine.");
  const taken = "globalThis.late.splice(0)";
  await Promise.all([page.evaluate(watch, EVERY_MS), engine.evaluate(watch, EVERY_MS)]);
  await page.waitForTimeout(1000 * seconds);
  report(`page, while ${await page.locator(".device").textContent()} trains`, await page.evaluate<number[]>(taken));
  report("its worker", await engine.evaluate<number[]>(taken));
  const start = performance.now();
  await button("Stop").click();
  await page.locator(".phase").getByText("Stopped and saved").waitFor();
  const step = await page.locator(".figures > div").last().locator("dd").textContent();
  console.log(
    `stopped and saved ${Math.round(performance.now() - start)} ms after the click; an update took ${step} ms`,
  );
  await browser.close();
  await server.close();
}

await (where === "page" ? inPage() : inNode());
// The timer has no end.
process.exit();
