/** The studio's Train view, in real Chromium: from the first click to a model that is opened again. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Studio } from "../../src/serve/server.ts";
import { launch, launchForbidding, root, watch } from "./page.ts";
import { startServer } from "./server.ts";
import { barriers, drop, lossesShown, openStudio, type StudioPage, serveStudio } from "./studio.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-studio-"));
/** Available on every machine; keeps the engine from choosing. */
const kernel = "relaxed-4x8";
/** Timeout of waits, so that no test hangs. */
const soon = { timeout: 30_000 };
const trained = { timeout: 200_000 };
let browser: Browser;
let server: Studio;
let studio: StudioPage;

beforeAll(async () => {
  [browser, server] = [await launch(), await serveStudio()];
  studio = await openStudio(browser, server, `?threads=2&kernel=${kernel}`);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const mainButton = (page: Page, name: string) => page.locator(".controls").getByRole("button", { name });
const phase = (page: Page) => page.locator(".phase").textContent();
const ready = (page: Page, name = "Start training") =>
  expect.poll(() => mainButton(page, name).isEnabled(), soon).toBe(true);

async function choose(page: Page, label: string, value: number): Promise<void> {
  const details = page.locator("details.card");
  if (!(await details.evaluate((element) => element.hasAttribute("open")))) await details.locator("summary").click();
  await details.getByLabel(label, { exact: true }).fill(String(value));
}

function lossesInNode(): number[] {
  const command = ["dist/cli/main.js", "train", "--model", "baby", "-x", "200", "-v", "0", "-s", "0", "--json"];
  const output = execFileSync(process.execPath, [...command, "--threads", "2", "--kernel", kernel], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, LLM_TS_CACHE: join(folder, "cache") },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const events = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return events.filter(({ event }) => event === "step").map(({ loss }) => loss);
}

test("before anything was done, Shakespeare and baby are ready", async () => {
  const { page } = studio;
  await ready(page);
  expect(await page.locator("h1").textContent()).toBe("Train a GPT in this very tab");
  expect(await page.locator(".device").textContent()).toBe("2 threads · relaxed SIMD · 4×8");
  expect(await page.locator(".drop").textContent()).toContain("1,115,394");
  expect(await page.locator(".estimate").textContent()).toContain("817,920");
  expect(await barriers(page)).toEqual([]);
});

test("one click trains: the loss falls below 2.6 in 200 updates, bit for bit as in Node", async () => {
  const { page } = studio;
  await choose(page, "Updates", 200);
  expect(await barriers(page)).toEqual([]);
  await ready(page);
  await mainButton(page, "Start training").click();
  await page.locator(".newest").waitFor(trained);
  expect(await phase(page)).toBe("Training");
  const isFocused = () => page.locator(".controls .primary").evaluate((element) => element === document.activeElement);
  await expect.poll(isFocused, soon).toBe(true);
  expect(await barriers(page)).toEqual([]);
  await expect.poll(() => phase(page), trained).toBe("Done");
  expect(await page.locator(".progress").textContent()).toContain("200 of 200 updates (100%)");
  const here = await lossesShown(page, "step");
  expect(here).toHaveLength(200);
  expect(here[199]).toBeLessThan(2.6);
  expect(here).toEqual(lossesInNode());
  expect(await barriers(page)).toEqual([]);
});

test("it writes on from a prompt; downloaded and opened again, it writes the same", async () => {
  const { page } = studio;
  await page.getByLabel("Temperature").fill("0");
  const write = async () => {
    await page.locator(".write").getByRole("button", { name: "Write" }).click();
    await expect.poll(() => page.locator(".write [role=status]").textContent(), soon).toMatch(/300 tokens/);
    return page.locator(".output").textContent();
  };
  const first = await write();
  expect(first).toMatch(/^First Citizen:/);
  const save = async (name: string) => {
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name }).click();
    const path = join(folder, (await download).suggestedFilename());
    await (await download).saveAs(path);
    return path;
  };
  const files = [await save("Model, .bin"), await save("tokenizer.bin")];
  expect(readFileSync(files[0]).readInt32LE(0)).toBe(20240326);
  await page.locator("input[type=file][accept]").setInputFiles(files);
  await page
    .locator(".presets")
    .getByText(/^continues training baby.*\.bin$/)
    .waitFor();
  expect(await write()).toBe(first);
});

test("a text that is dropped is learnt from; what is not text is refused in words", async () => {
  const { page } = studio;
  const text = "to be, or not to be, that is the question. ".repeat(200);
  await drop(page, ".drop", "hamlet.txt", text);
  await page.locator(".facts").getByText("hamlet.txt").waitFor();
  expect(await page.locator(".facts").first().textContent()).toContain("8,600");
  await page.getByRole("radio", { name: "File" }).check();
  const png = { name: "picture.png", mimeType: "image/png", buffer: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 1]) };
  await page.locator(".drop input[type=file]").setInputFiles([png]);
  expect(await page.locator(".drop [role=alert]").textContent()).toContain("picture.png");
  // Nothing has been removed.
  await page.locator(".facts").getByText("hamlet.txt").waitFor();
  expect(await barriers(page)).toEqual([]);
});

test("subwords are trained on the text, as many as it gives", async () => {
  const { page } = studio;
  const size = () => page.locator(".facts").first().textContent();
  const tokens = (name: string) => page.getByRole("radio", { name, exact: true });
  await tokens("Its own subwords").click();
  // 8,600 bytes that repeat a few lines, of which 512 tokens cannot be made.
  await expect.poll(size, soon).toMatch(/\(V\)(2[6-9]|[34])\d\d?$/);
  expect(await page.locator(".hint", { hasText: "Subwords learned from this text" }).isVisible()).toBe(true);
  await tokens("Characters").click();
  await expect.poll(size, soon).toMatch(/\(V\)1\d$/);
});

test("the model's tokens are those of the model that is there, and not to be had where it has none", async () => {
  const { page } = studio;
  const size = () => page.locator(".facts").first().textContent();
  const tokens = (name: string) => page.getByRole("radio", { name, exact: true });
  await tokens("The model’s").click();
  await expect.poll(size, soon).toMatch(/\(V\)65$/);
  const [model] = readdirSync(folder).filter((name) => /^baby.*\.bin$/.test(name));
  await page.locator("input[type=file][accept]").setInputFiles(join(folder, model));
  await expect.poll(size, soon).toMatch(/\(V\)15$/);
  expect(await tokens("Characters").isChecked()).toBe(true);
  expect(await tokens("The model’s").count()).toBe(0);
  await page.locator("input[type=file][accept]").setInputFiles([join(folder, model), join(folder, "tokenizer.bin")]);
  await tokens("The model’s").waitFor();
});

test("a model that cannot be is refused before it is made", async () => {
  const { page } = studio;
  await page.getByLabel(/^own/).check();
  await page.getByLabel("Channels (C)").fill("130");
  expect(await page.getByText("130 channels cannot be divided evenly among 4 heads").isVisible()).toBe(true);
  await page.getByLabel("Channels (C)").fill("8192");
  await page.getByLabel("Layers (L)").fill("40");
  await expect.poll(() => page.locator(".estimate [role=alert]").textContent(), soon).toMatch(/needs \d+.* GB/);
  expect(await mainButton(page, "Start training").isDisabled()).toBe(true);
  expect(await barriers(page)).toEqual([]);
});

test("a setting that cannot be is said at its field, and nothing starts until it is right", async () => {
  const { page } = studio;
  await page.getByLabel(/^baby/).check();
  await ready(page);
  await choose(page, "Updates", 2000);
  const field = (label: string) =>
    page.locator("details.card .field", { has: page.getByLabel(label, { exact: true }) });
  for (const [label, wrong, message] of [
    ["Updates", "1.5", "Expected a whole number from 1 to 1,000,000,000."],
    ["Updates", "", "Expected a whole number from 1 to 1,000,000,000."],
    ["Validate every", "-1", "Expected a whole number from 0 to 1,000,000,000."],
    ["Batch (B)", "0", "Expected a whole number from 1 to 65,536."],
    ["Learning rate", "-1", "Expected a number from 0 to 1,000."],
    ["Warm-up", "2001", "Longer than the run of 2,000 updates: the learning rate would never reach its peak."],
    ["Seed", String(2 ** 53), "Expected a whole number from 0 to 4,294,967,295."],
  ] as const) {
    const input = page.locator("details.card").getByLabel(label, { exact: true });
    const right = await input.inputValue();
    await input.fill(wrong);
    expect(await field(label).locator(".error").textContent()).toBe(message);
    expect(await input.getAttribute("aria-invalid")).toBe("true");
    expect(await mainButton(page, "Start training").or(mainButton(page, "Start over")).isDisabled()).toBe(true);
    expect(await page.locator(".controls .error").textContent()).toBe(`Please correct: ${label}.`);
    await input.blur();
    expect(await field(label).locator(".error").isVisible()).toBe(true);
    await input.fill(right);
    expect(await page.locator(".controls .error").count()).toBe(0);
  }
  await page.getByRole("button", { name: "中文" }).click();
  await page.getByLabel("学习率", { exact: true }).fill("-1");
  expect(await page.locator("details.card .error").textContent()).toBe("请输入 0 到 1,000 之间的数。");
  expect(await page.locator(".controls .error").textContent()).toBe("请先改正：学习率。");
  expect(await barriers(page)).toEqual([]);
  await page.getByRole("button", { name: "恢复默认值" }).click();
  expect(await page.locator(".error").count()).toBe(0);
  await page.getByRole("button", { name: "Switch to English" }).click();
});

test("pause, resume, a reload in the middle, and on to the end", async () => {
  const { page } = studio;
  await page.getByLabel(/^tiny/).check();
  await choose(page, "Updates", 600);
  await ready(page);
  await mainButton(page, "Start training").click();
  await page.locator(".newest").waitFor(trained);
  await mainButton(page, "Pause").click();
  await expect.poll(() => phase(page), soon).toBe("Paused");
  const before = await lossesShown(page, "step");
  expect(await barriers(page)).toEqual([]);
  await mainButton(page, "Resume").click();
  await expect.poll(async () => (await lossesShown(page, "step")).length, soon).toBeGreaterThan(before.length);
  await page.reload();
  const offer = page.locator(".offer");
  await offer.getByText(/stopped at update \d+ of 600\. It resumes from update \d+/).waitFor();
  expect(await barriers(page)).toEqual([]);
  await offer.getByRole("button", { name: "Resume" }).click();
  await expect.poll(() => phase(page), trained).toBe("Done");
  const after = await lossesShown(page, "step");
  expect(after).toHaveLength(600);
  expect(after.slice(0, before.length)).toEqual(before);
});

test("a run that is cut before it was ever saved starts over, and nothing of it is shown", async () => {
  const { page } = studio;
  await page.getByLabel(/^tiny/).check();
  await choose(page, "Updates", 100_000);
  await choose(page, "Validate every", 0);
  await choose(page, "Sample every", 0);
  await ready(page, "Start over");
  await mainButton(page, "Start over").click();
  // The new run's: figures and name of the last one stay until it begins.
  await expect.poll(() => page.locator(".progress").textContent(), soon).toMatch(/^[1-9]\d* of 100,000/);
  // As a crash before the first checkpoint leaves it.
  const name = await page.locator(".run-name").textContent();
  await page.reload();
  await page.evaluate(async (name) => {
    const root = await navigator.storage.getDirectory();
    const folder = await (await root.getDirectoryHandle("runs")).getDirectoryHandle(name ?? "");
    const names: string[] = [];
    for await (const name of folder.keys()) names.push(name);
    for (const name of names) if (/^(DONE|model|state|checkpoint)_/.test(name)) await folder.removeEntry(name);
  }, name);
  await page.reload();
  const offer = page.locator(".offer");
  await offer.getByText(/was not saved yet, so it starts over/).waitFor();
  await offer.getByRole("button", { name: "Resume" }).click();
  await expect.poll(() => page.locator(".progress").textContent(), soon).toMatch(/^[1-9]\d* of 100,000/);
  expect(await page.locator(".progress").textContent()).not.toContain("-");
  await expect.poll(() => page.locator(".progress").textContent(), soon).toMatch(/saved at \d/);
  await mainButton(page, "Stop").click();
  await expect.poll(() => phase(page), soon).toBe("Stopped and saved");
  await page.getByRole("button", { name: `Delete ${name}` }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await expect.poll(() => page.getByText(name ?? "", { exact: true }).count(), soon).toBe(1);
  // Nothing is left to resume.
  expect(await page.locator(".controls").getByRole("button").allTextContents()).toEqual([" Start over"]);
  expect(await phase(page)).toBe("Stopped");
});

test("a run that is kept is deleted when that is confirmed", async () => {
  const { page } = studio;
  const rows = page.locator(".stored li");
  const before = await rows.count();
  await page.getByRole("button", { name: /^Delete custom/ }).click();
  await expect.poll(() => page.evaluate("document.activeElement.textContent"), soon).toBe("Keep it");
  expect(await barriers(page)).toEqual([]);
  await page.getByRole("button", { name: "Keep it" }).click();
  expect(await rows.count()).toBe(before);
  await page.getByRole("button", { name: /^Delete custom/ }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await expect.poll(() => rows.count(), soon).toBe(before - 1);
});

test("where the page is not isolated, it says that it has one thread, and why; in Chinese for who reads that", async () => {
  const plain = await startServer({ root: join(root, "dist/web"), isolated: false });
  const alone = await openStudio(browser, plain, "/index.html", { serviceWorkers: "block", locale: "zh-CN" });
  await expect
    .poll(() => alone.page.locator(".device").textContent(), soon)
    .toMatch(/^1 个线程 · relaxed SIMD · \d×\d+$/);
  expect(await alone.page.locator(".run .notice").textContent()).toContain("Cross-Origin-Opener-Policy");
  expect(await barriers(alone.page)).toEqual([]);
  // This keeps the service worker from isolating the page.
  expect(alone.problems).toEqual(["Service Worker registration blocked by Playwright"]);
  await alone.context.close();
  await plain.close();
});

test("where nothing may be stored it trains all the same, in memory, and says so", async () => {
  const forbidding = await launchForbidding(join(folder, "forbidding"));
  const page = await forbidding.newPage();
  page.setDefaultTimeout(soon.timeout);
  const problems: string[] = [];
  watch(page, problems);
  await page.goto(`${server.url}?threads=2&kernel=${kernel}`);
  await page.getByText(/gives this page no storage/).waitFor();
  await ready(page);
  // The second replaces the first, which requests locks: they are forbidden as well.
  for (const name of ["first.txt", "second.txt"]) {
    await drop(page, ".drop", name, `${name}: to be, or not to be, that is the question. `.repeat(200));
    await page.locator(".facts").getByText(name).waitFor();
  }
  await page.getByLabel(/^tiny/).check();
  await choose(page, "Updates", 100_000);
  await ready(page);
  expect(await barriers(page)).toEqual([]);
  await mainButton(page, "Start training").click();
  await expect.poll(() => page.locator(".progress").textContent(), soon).toMatch(/^[1-9]\d* of 100,000/);
  await mainButton(page, "Stop").click();
  await expect.poll(() => phase(page), soon).toBe("Stopped");
  // No checkpoint is kept to resume from.
  expect(await page.locator(".controls").getByRole("button").allTextContents()).toEqual([" Start over"]);
  expect(await page.locator("main .notice").allTextContents()).toEqual([expect.stringContaining("no storage")]);
  expect(await page.getByText("Stored in this browser").count()).toBe(0);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Model, .bin" }).click();
  const path = join(folder, "in-memory.bin");
  await (await download).saveAs(path);
  expect(readFileSync(path).readInt32LE(0)).toBe(20240326);
  await page.getByRole("link", { name: "Runs" }).click();
  await page.getByText("llm-ts train --model baby -o runs/").waitFor();
  expect(problems).toEqual([]);
  await forbidding.close();
});

test("where there is too little storage for any text it trains all the same, in memory, and says so", async () => {
  const context = await browser.newContext({ locale: "en-US" });
  const page = await context.newPage();
  page.setDefaultTimeout(soon.timeout);
  // The quota must have been reached.
  await page.goto(`${server.url}icon.svg`);
  const devtools = await context.newCDPSession(page);
  await devtools.send("Storage.overrideQuotaForOrigin", { origin: new URL(server.url).origin, quotaSize: 1_000_000 });
  await page.goto(`${server.url}?threads=2&kernel=${kernel}`);
  await page.getByText(/too little storage left for this page/).waitFor();
  await page.getByLabel(/^tiny/).check();
  await choose(page, "Updates", 30);
  await ready(page);
  expect(await barriers(page)).toEqual([]);
  await mainButton(page, "Start training").click();
  await expect.poll(() => phase(page), trained).toBe("Done");
  await context.close();
});

test("from an address that is not safe enough for threads and storage it trains with one thread, in memory", async () => {
  const unsafe = await launch({ resolve: "unsafe.test" });
  const plain = await startServer({ root: join(root, "dist/web"), isolated: false });
  const { page, problems } = await openStudio(
    unsafe,
    { url: plain.url.replace("127.0.0.1", "unsafe.test") },
    "/index.html",
  );
  await ready(page);
  expect(await page.evaluate("isSecureContext")).toBe(false);
  await drop(page, ".drop", "some.txt", "to be, or not to be, that is the question. ".repeat(200));
  await page.locator(".facts").getByText("some.txt").waitFor();
  await page.getByLabel(/^tiny/).check();
  await choose(page, "Updates", 30);
  await ready(page);
  await mainButton(page, "Start training").click();
  await expect.poll(() => phase(page), trained).toBe("Done");
  expect(await page.locator(".device").textContent()).toMatch(/^1 thread /);
  expect(problems).toEqual([]);
  await unsafe.close();
  await plain.close();
});

test("nothing of all that went to the console", () => {
  expect(studio.problems).toEqual([]);
});
