/**
 * Measures how smooth the studio's Runs view stays with many long runs: makes ten runs of 100,000 updates, serves them,
 * and in Chromium loads the view, hovers, zooms, smooths, and hides and shows runs, while one of them is written on.
 * After `npm run build`: `node --conditions=source scripts/measure-runs.ts [RUNS] [UPDATES]`.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStudio } from "../src/serve/server.ts";
import { launch } from "../test/browser/page.ts";
import { head, measure } from "./measure-page.ts";

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

console.log(head);
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
