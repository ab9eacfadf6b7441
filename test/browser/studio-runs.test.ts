/** The studio's Runs view in a real browser, on runs that the command writes meanwhile. */
import type { ChildProcess } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Studio, startStudio } from "../../src/serve/server.ts";
import { run, start, testFolder } from "../run-cli.ts";
import { launch } from "./page.ts";
import { barriers, openStudio, type StudioPage, serveStudio } from "./studio.ts";

const folder = join(testFolder(), "runs");
const first = join(folder, "first");
/** Small enough to make many updates a second. */
const tiny = ["train", "--model", "baby", "-b", "2", "-t", "16", "--threads", "1", "-v", "20", "-m", "1", "-g", "24"];
let browser: Browser;
let studio: Studio;
let opened: StudioPage[] = [];
let training: ChildProcess | undefined;

beforeAll(async () => {
  browser = await launch();
  studio = await serveStudio(folder);
  const { code } = await run([...tiny, "-x", "40", "-s", "20", "-l", "0.002", "-o", first]);
  expect(code).toBe(0);
});
afterEach(async () => {
  training?.kill("SIGINT");
  training = undefined;
  for (const { context } of opened) await context.close();
  opened = [];
});
afterAll(async () => {
  await browser?.close();
  await studio?.close();
});

async function open(hash: string, server = studio): Promise<StudioPage> {
  const studioPage = await openStudio(browser, server, hash);
  opened.push(studioPage);
  return studioPage;
}

/** The loss chart in words, once the first run is in it. */
const lossOf = (page: Page) => page.getByRole("img", { name: /^Loss.*first: from/ });

/** The last update on the loss chart. */
async function lastUpdate(page: Page): Promise<number> {
  const label = (await lossOf(page).getAttribute("aria-label")) ?? "";
  return Number(/to update ([\d,]+)/.exec(label)?.[1]?.replaceAll(",", ""));
}

interface Line {
  readonly event: string;
  readonly step: number;
  readonly loss: number;
  readonly text: string;
}

/** Files of the first run. */
function written(event: string): Line[] {
  const lines = readFileSync(join(first, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  return lines.map((line): Line => JSON.parse(line)).filter((line) => line.event === event);
}

test("a run that is done: its row, its curves in words, its samples, its settings", async () => {
  const { page, problems } = await open("#runs");
  const row = page.getByRole("row", { name: /Show first/ });
  await row.waitFor();
  await expect.poll(() => row.textContent()).toMatch(/done.*40 \/ 40/);
  const [losses, vals] = [written("step"), written("val")];
  const chart = lossOf(page);
  await chart.waitFor();
  const label = await chart.getAttribute("aria-label");
  expect(label).toContain(`from ${losses[0]?.loss.toFixed(4)} to ${losses.at(-1)?.loss.toFixed(4)}`);
  expect(label).toContain(`validation ${vals.at(-1)?.loss.toFixed(4)}`);
  await page.getByRole("slider", { name: "After" }).fill("0");
  expect(await page.locator(".runs pre").textContent()).toBe(written("sample")[0]?.text);
  expect(await page.getByRole("row", { name: /run\.learningRate/ }).textContent()).toContain("0.002");
  expect(problems).toEqual([]);
});

test("a run that is being written comes up by itself, and its curve grows; two are compared", async () => {
  const { page, problems } = await open("#runs/first");
  await lossOf(page).waitFor();
  training = start([...tiny, "-x", "100000", "-s", "50", "-l", "0.001", "-o", join(folder, "second")]);
  const row = page.getByRole("row", { name: /Show second/ });
  await expect.poll(() => row.textContent(), { timeout: 30_000 }).toContain("running");
  await page.getByRole("checkbox", { name: "Show second" }).check();
  await expect.poll(() => lastUpdate(page), { timeout: 30_000 }).toBeGreaterThan(60);
  const before = await lastUpdate(page);
  await expect.poll(() => lastUpdate(page), { timeout: 30_000 }).toBeGreaterThan(before);
  await expect.poll(() => page.locator(".runs figcaption").allTextContents(), { timeout: 30_000 }).toHaveLength(2);
  const setting = page.getByRole("row", { name: /run\.learningRate/ }).first();
  expect(await setting.getByRole("cell").allTextContents()).toEqual(["0.002", "0.001"]);

  // Fewer curves in the chart that is there, and more again.
  for (const isShown of [false, true]) {
    await page.getByRole("checkbox", { name: "Show second" }).setChecked(isShown);
    await expect.poll(async () => (await lossOf(page).getAttribute("aria-label"))?.includes("second:")).toBe(isShown);
  }

  await page.reload();
  await lossOf(page).waitFor();
  expect(new URL(page.url()).hash).toBe("#runs/first/second");
  for (const name of ["first", "second"])
    expect(await page.getByRole("checkbox", { name: `Show ${name}` }).isChecked()).toBe(true);
  training.kill("SIGINT");
  await expect.poll(() => row.textContent(), { timeout: 30_000 }).toContain("interrupted");
  expect(problems).toEqual([]);
});

test("the keyboard moves along the curves, zooms all charts, and shows all again", async () => {
  const { page, problems } = await open("#runs/first");
  const chart = page.getByRole("slider", { name: /^Loss/ });
  await lossOf(page).waitFor();
  await chart.focus();
  await page.keyboard.press("Home");
  await expect.poll(() => chart.getAttribute("aria-valuetext")).toMatch(/^update 0\. first: train \d\.\d{4}/);
  await page.keyboard.press("End");
  await expect.poll(() => chart.getAttribute("aria-valuetext")).toMatch(/^update 40\. first: .*validation \d/);
  await page.keyboard.press("+");
  const norm = page.getByRole("img", { name: /^Gradient norm/ });
  await expect.poll(() => norm.getAttribute("aria-label")).toMatch(/from update (?!0)\d+ to update 40\./);
  await page.keyboard.press("Escape");
  await expect.poll(() => norm.getAttribute("aria-label")).toContain("from update 0 to update 40.");
  expect(problems).toEqual([]);
});

test("a finger reads the curves, and two zoom and move them", async () => {
  const phone = await openStudio(browser, studio, "#runs/first", { hasTouch: true });
  opened.push(phone);
  const { page, problems } = phone;
  await lossOf(page).waitFor();
  await lossOf(page).scrollIntoViewIfNeeded();
  const devtools = await phone.context.newCDPSession(page);
  const { x, y, width } = (await page.locator(".u-over").first().boundingBox()) ?? { x: 0, y: 0, width: 0 };
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", ...shares: number[]) =>
    devtools.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: shares.map((share, id) => ({ x: x + share * width, y: y + 60, id })),
    });
  await touch("touchStart", 0.4);
  await touch("touchMove", 0.5);
  await page.locator(".chart-tip").getByText("update 20").waitFor();
  await touch("touchEnd");
  await expect.poll(() => page.locator(".chart-tip").count()).toBe(0);

  // A quarter and a half become the ends: updates 10 to 20.
  await touch("touchStart", 0.25, 0.5);
  await touch("touchMove", 0.1, 0.9);
  await touch("touchMove", 0, 1);
  await touch("touchEnd");
  await expect.poll(() => lossOf(page).getAttribute("aria-label")).toContain("from update 10 to update 20.");
  // Apart from each other as before, a half farther to the left: from 15 to 25.
  await touch("touchStart", 0.6, 0.9);
  await touch("touchMove", 0.1, 0.4);
  await touch("touchEnd");
  await expect.poll(() => lossOf(page).getAttribute("aria-label")).toContain("from update 15 to update 25.");
  // Two fingers that come together show more, but no more than all.
  await touch("touchStart", 0.1, 0.9);
  await touch("touchMove", 0.49, 0.51);
  await touch("touchEnd");
  await expect.poll(() => lossOf(page).getAttribute("aria-label")).toContain("from update 0 to update 40.");
  expect(await page.getByRole("button", { name: "Show all" }).isDisabled()).toBe(true);
  expect(problems).toEqual([]);
});

test("lines that cannot be read, runs that cannot, and names that look like HTML are said as they are", async () => {
  mkdirSync(join(folder, "<b>bad"));
  writeFileSync(join(folder, "<b>bad", "config.json"), "{");
  const { page, problems } = await open("#runs/first");
  await lossOf(page).waitFor();
  appendFileSync(join(first, "metrics.jsonl"), "no JSON\n{}\n");
  await expect.poll(() => page.getByText("first: 2 lines of its log could not be read").count()).toBe(1);
  const bad = page.getByRole("row", { name: /<b>bad/ });
  await expect.poll(() => bad.textContent()).toMatch(/unreadable.*config\.json is not valid JSON/);
  expect(problems).toEqual([]);
});

test("where there are no runs, the page says how to make one", async () => {
  const empty = await serveStudio(join(folder, "nothing"));
  const { page, problems } = await open("#runs", empty);
  await page.getByText("llm-ts train --model baby -o runs/").waitFor();
  expect(problems).toEqual([]);
  await empty.close();
});

test("a lost connection is shown, and comes back by itself", async () => {
  const one = await serveStudio(folder);
  const { page, problems } = await open("#runs/first", one);
  await lossOf(page).waitFor();
  await one.close();
  const notice = page.getByText("The connection to the studio is lost");
  await notice.waitFor();
  const again = await startStudio({ folder, ports: [Number(new URL(one.url).port)] });
  await notice.waitFor({ state: "detached" });
  await again.close();
  // The browser itself logs requests that got no answer.
  expect(problems.filter((line) => !/net::ERR_/.test(line))).toEqual([]);
});

test("nothing bars the way, in light and dark, wide and narrow", async () => {
  const { page } = await open("#runs/first");
  await lossOf(page).waitFor();
  expect(await barriers(page)).toEqual([]);
  await page.setViewportSize({ width: 390, height: 844 });
  // Charts take the new width with the next frame.
  await expect.poll(() => page.evaluate("document.documentElement.scrollWidth")).toBe(390);
  expect(await barriers(page)).toEqual([]);
});
