/**
 * Measures how smooth the studio's Runs view stays with many long runs: makes ten runs of 100,000 updates, serves them,
 * and in Chromium loads the view, hovers, zooms, smooths, and hides and shows runs, while one of them is written on.
 * After `npm run build`: `node --conditions=source scripts/measure-runs.ts [RUNS] [UPDATES]`.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { startStudio } from "../src/serve/server.ts";
import { launch } from "../test/browser/page.ts";

const [runs = 10, updates = 100_000] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), "llm-ts-runs-"));
const names = Array.from({ length: runs }, (_, i) => `run-${i + 1}`);
const config = { version: 1, model: { name: "baby", L: 4, NH: 4, C: 128, V: 65, maxT: 64 } };

function line(run: number, step: number): string {
  const loss = 1.4 + 0.05 * run + 2.8 * Math.exp(-step / 9000) + 0.3 * Math.random();
  const fields = {
    lr: 1e-3 / (1 + step / 20_000),
    norm: 0.5 + Math.random(),
    ms: 80,
    tokensPerSecond: 9000 + 999 * loss,
  };
  return `${JSON.stringify({ event: "step", step, loss, ...fields })}\n`;
}

for (const [i, name] of names.entries()) {
  mkdirSync(join(folder, name));
  const settings = {
    created: `2026-11-24T10:${10 + i}:00.000Z`,
    run: { batch: 12, block: 64, steps: 2 * updates, seed: i },
  };
  writeFileSync(join(folder, name, "config.json"), JSON.stringify({ ...config, ...settings }));
  const lines: string[] = [];
  for (let step = 0; step < updates; step++) {
    if (step % 1000 === 0)
      lines.push(`${JSON.stringify({ event: "val", step, loss: 1.6 + 2.8 * Math.exp(-step / 9000) })}\n`);
    lines.push(line(i, step));
  }
  writeFileSync(join(folder, name, "metrics.jsonl"), lines.join(""));
}

/** The longest task of the page's main thread, and its frames, in milliseconds, while `act` goes on. */
async function measure(browser: Browser, page: Page, name: string, act: () => Promise<unknown>): Promise<void> {
  await page.evaluate(`{
    frames = []; let last = performance.now(); let going = true;
    const tick = (now) => { frames.push(now - last); last = now; if (going) requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
    stopFrames = () => { going = false; return frames.slice(1).sort((a, b) => a - b); };
  }`);
  await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline"] });
  await act();
  const frames = await page.evaluate<number[]>("stopFrames()");
  const tasks = tasksIn(JSON.parse((await browser.stopTracing()).toString()));
  const at = (sorted: readonly number[], share: number) =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
  const over = tasks.filter((ms) => ms > 50).length;
  console.log(
    `| ${name} | ${at(tasks, 1)} | ${over} | ${at(frames, 0.5)} | ${at(frames, 0.95)} | ${at(frames, 1)} | ${frames.length} |`,
  );
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly dur?: number;
  readonly args: { readonly name?: string };
}

/** How long the tasks of the main threads of pages took, sorted. */
function tasksIn({ traceEvents }: { readonly traceEvents: readonly TraceEvent[] }): number[] {
  const threads = traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const isMain = ({ pid, tid }: TraceEvent) => threads.some((one) => one.pid === pid && one.tid === tid);
  return traceEvents
    .filter((event) => /RunTask$/.test(event.name) && isMain(event))
    .map(({ dur = 0 }) => dur / 1000)
    .sort((a, b) => a - b);
}

const studio = await startStudio({ folder, ports: [0] });
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
page.on("pageerror", (error) => console.error(error));
let step = updates;
const writing = setInterval(() => {
  const lines = Array.from({ length: 20 }, () => line(0, step++));
  appendFileSync(join(folder, "run-1", "metrics.jsonl"), lines.join(""));
}, 250);
const chart = page.locator(".chart").first();
const pause = (ms: number) => page.waitForTimeout(ms);

console.log(
  "| | longest task | tasks over 50 ms | median frame | p95 | longest | frames |\n| --- | --- | --- | --- | --- | --- | --- |",
);
await page.goto(studio.url);
await page.getByRole("navigation").waitFor();
await measure(browser, page, "load", async () => {
  await page.evaluate(
    (hash) => {
      location.hash = hash;
    },
    `runs/${names.join("/")}`,
  );
  await page.waitForFunction(
    (name) => document.querySelector("[role=img]")?.ariaLabel?.includes(`${name}:`),
    names.at(-1),
  );
  await pause(1000);
});
await measure(browser, page, "live lines alone", () => pause(4000));
const { x, y, width, height } = (await chart.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
await measure(browser, page, "hover", async () => {
  for (let i = 0; i <= 120; i++) await page.mouse.move(x + 70 + (i / 120) * (width - 100), y + height / 2);
});
await measure(browser, page, "zoom in and out", async () => {
  for (const share of [0.3, 0.5, 0.7]) {
    await page.mouse.move(x + share * width, y + 50);
    await page.mouse.down();
    await page.mouse.move(x + (share + 0.1) * width, y + 60, { steps: 10 });
    await page.mouse.up();
    await pause(300);
    await page.mouse.dblclick(x + share * width, y + 50);
    await pause(300);
  }
});
await measure(browser, page, "smoothing", async () => {
  const slider = page.locator(".smoothing input");
  await slider.focus();
  for (let i = 0; i < 30; i++) await slider.press(i < 20 ? "ArrowLeft" : "ArrowRight");
  await pause(500);
});
await measure(browser, page, "hide and show runs", async () => {
  for (const name of names.slice(1, 6)) {
    await page.getByRole("checkbox", { name: `Show ${name}`, exact: true }).click();
    await pause(150);
    await page.getByRole("checkbox", { name: `Show ${name}`, exact: true }).click();
    await pause(150);
  }
});
clearInterval(writing);
await browser.close();
await studio.close();
rmSync(folder, { recursive: true });
