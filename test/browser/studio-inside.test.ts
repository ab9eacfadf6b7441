/** The studio's Look inside view in Chromium, compared with results of `inspect` in Node. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GPT2 } from "../../src/api/gpt2.ts";
import { type Inspection, inspect } from "../../src/inspect/inspect.ts";
import type { Studio } from "../../src/serve/server.ts";
import { fixturePath } from "../fixtures.ts";
import { launch } from "./page.ts";
import { barriers, openStudio, type StudioPage, serveStudio } from "./studio.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-inside-"));
const prompt = "MENENIUS:\nWhat, now?";
const T = prompt.length;
/** Available on every machine, with the same bits in Node. */
const kernel = "relaxed-4x8";
/** Timeout of waits, so that no test hangs. */
const soon = { timeout: 15_000 };
const trained = { timeout: 60_000 };
let browser: Browser;
let server: Studio;
let studio: StudioPage;
let inside: Inspection;
let maxT: number;

beforeAll(async () => {
  [browser, server] = [await launch(), await serveStudio()];
  studio = await openStudio(browser, server, `?threads=2&kernel=${kernel}`);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const goTo = (page: Page, view: string) => page.getByRole("navigation").getByRole("link", { name: view }).click();
const tokens = (page: Page) => page.getByRole("radiogroup", { name: "The prompt’s tokens" }).getByRole("radio");
const chosen = (page: Page) => page.locator(".token-strip [aria-checked=true]");
const table = (page: Page) => page.locator(".attention-table table");

async function lookAt(page: Page, text: string): Promise<void> {
  await page.getByLabel("Text for the model to read").fill(text);
  await page.getByLabel("Text for the model to read").press("Control+Enter");
}

const percent = (share: number, digits = 1) => `${(100 * share).toFixed(digits)}%`;

/** The cells of a table's body, row by row, without its headers. */
function cellsOf(page: Page, selector: string): Promise<string[][]> {
  return page
    .locator(`${selector} tbody tr`)
    .evaluateAll((rows) => rows.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent ?? "")));
}

test("without a model there are two ways to get one", async () => {
  const { page } = studio;
  await goTo(page, "Look inside");
  expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Look inside a model");
  expect(await page.getByRole("button", { name: "Open a model" }).isEnabled()).toBe(true);
  expect(await barriers(page)).toEqual([]);
  await page.getByRole("link", { name: "Train one" }).click();
  await page.getByRole("button", { name: "Start training" }).waitFor();
});

test("a model can be opened in this view", async () => {
  const { context, page, problems } = await openStudio(browser, server, `?threads=1&kernel=${kernel}#inside`);
  await page.locator("input[type=file]").setInputFiles(fixturePath("gpt2_tiny.bin"));
  // It has 101 tokens, without a tokenizer.
  await page.getByText(/has no tokenizer/).waitFor();
  expect(problems).toEqual([]);
  await context.close();
});

test("a model that was trained here is inspected at once, with the beginning of its text", async () => {
  const { page } = studio;
  await page.getByLabel(/^tiny/).check();
  await page.locator("details.card summary").click();
  await page.locator("details.card").getByLabel("Updates", { exact: true }).fill("60");
  const start = page.locator(".controls").getByRole("button", { name: "Start training" });
  await expect.poll(() => start.isEnabled(), soon).toBe(true);
  await start.click();
  await expect.poll(() => page.locator(".phase").textContent(), trained).toBe("Done");

  const download = async (name: string) => {
    const coming = page.waitForEvent("download");
    await page.getByRole("button", { name }).click();
    const file = await coming;
    await file.saveAs(join(folder, file.suggestedFilename()));
    return join(folder, file.suggestedFilename());
  };
  await download("tokenizer.bin");
  await using model = await GPT2.load(await download("Model, .bin"), { threads: 2, kernel });
  inside = await inspect(model, prompt);
  maxT = model.config.maxT;

  await goTo(page, "Look inside");
  await tokens(page).first().waitFor();
  expect((await tokens(page).allTextContents()).join("")).toMatch(/^First·Citizen:⏎Before/);
  expect(await page.locator(".inspected-model").textContent()).toMatch(/^Model: .+ after 60 updates$/);
  expect(await barriers(page)).toEqual([]);
});

test("every head's attention is the one that Node computes for the same file", async () => {
  const { page } = studio;
  await lookAt(page, prompt);
  await expect.poll(async () => (await tokens(page).allTextContents()).join(""), soon).toBe("MENENIUS:⏎What,·now?");
  await page.getByText("All numbers as a table").click();
  const { L, NH, attention } = inside;
  for (let head = 0; head < L * NH; head++) {
    await page.getByLabel("Layer", { exact: true }).selectOption({ index: Math.floor(head / NH) });
    await page.getByLabel("Head", { exact: true }).selectOption({ index: head % NH });
    const expected = `Attention of layer ${Math.floor(head / NH) + 1}, head ${(head % NH) + 1}`;
    await expect.poll(() => table(page).locator("caption").textContent(), soon).toContain(expected);
    const rows = await cellsOf(page, ".attention-table");
    expect(rows.map((row) => row.length)).toEqual(Array.from({ length: T }, (_, t) => t + 1));
    // Shown with one decimal; kernels without fused multiply-add, as Node may have others, move the seventh digit.
    for (const [query, row] of rows.entries())
      for (const [key, cell] of row.entries())
        expect(Math.abs(Number.parseFloat(cell) / 100 - attention[(head * T + query) * T + key])).toBeLessThan(0.00051);
  }
  expect(await page.locator("progress").count()).toBe(0);
  expect(await barriers(page)).toEqual([]);
});

test("the keyboard alone chooses heads and tokens, and reads the map", async () => {
  const { page } = studio;
  await page.getByRole("radio", { name: `Layer ${inside.L}, head ${inside.NH}` }).focus();
  for (const key of ["ArrowUp", "ArrowLeft"]) await page.keyboard.press(key);
  const name = await page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  expect(name).toBe(`Layer ${inside.L - 1}, head ${inside.NH - 1}`);
  const layer = page.getByLabel("Layer", { exact: true });
  await expect.poll(() => layer.inputValue(), soon).toBe(String(inside.L - 2));

  await chosen(page).focus();
  await page.keyboard.press("Home");
  for (let i = 0; i < 9; i++) await page.keyboard.press("ArrowRight");
  await expect.poll(() => chosen(page).textContent(), soon).toBe("⏎");

  await page.getByRole("application").focus();
  await page.keyboard.press("ArrowLeft");
  const share = inside.attention[((inside.L - 2) * inside.NH + inside.NH - 2) * T * T + 9 * T + 8];
  await expect.poll(() => page.locator(".readout").textContent(), soon).toBe(`‹⏎› attends to ‹:›: ${percent(share)}`);
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await expect.poll(() => chosen(page).getAttribute("aria-label"), soon).toMatch(/^:, token 9: predicted with/);
});

test("candidates, the actual next token and the logit lens are those of Node", async () => {
  const { page } = studio;
  const at = 12;
  await tokens(page).nth(at).click();
  const { lens, next, texts, tokens: ids } = inside;
  const textOf = (id: number) => (texts.get(id) ?? "").replace(" ", "·").replace("\n", "⏎");
  const best = Array.from(next.tokens.subarray(at * 10, at * 10 + 10), textOf);
  const candidates = page.locator(".candidates .token");
  await expect.poll(async () => (await candidates.allTextContents()).slice(0, 10), soon).toEqual(best);
  const actual = page.locator(".candidates .actual");
  expect(await actual.locator(".token").textContent()).toBe(textOf(ids[at + 1]));
  expect(await actual.locator(".rank").textContent()).toBe(String(next.rank[at]));
  expect(await actual.locator(".share").textContent()).toBe(percent(next.actual[at]));

  const rows = await cellsOf(page, ".lens-table");
  expect(rows).toHaveLength(inside.L + 1);
  for (const [l, layer] of lens.entries()) {
    const here = Array.from(
      layer.tokens.subarray(at * 10, at * 10 + 5),
      (id, i) => textOf(id) + percent(layer.probabilities[at * 10 + i], 0),
    );
    expect(rows[l].slice(0, 5)).toEqual(here);
  }
  await page.getByLabel("Tokens around").check();
  const heads = page.locator(".lens-table thead th");
  await expect.poll(() => heads.allTextContents(), soon).toEqual(["Layer", ...":⏎What,·n"]);
  expect(await barriers(page)).toEqual([]);
});

test("a text that the tokenizer does not know is refused in words, and what was seen stays", async () => {
  const { page } = studio;
  await lookAt(page, "日本");
  expect(await page.getByRole("alert").textContent()).toMatch(/日/);
  expect(await tokens(page).count()).toBe(T);
  await lookAt(page, "x".repeat(100));
  await page.getByText(`the last ${maxT} tokens are shown, the ${100 - maxT} before them left out`).waitFor();
  expect(await page.getByRole("alert").count()).toBe(0);
  await lookAt(page, "");
  await expect.poll(() => tokens(page).allTextContents(), soon).toEqual(["⏎"]);
  expect(await barriers(page)).toEqual([]);
});

test("in Chinese, on a phone, nothing is wider than the screen", async () => {
  const { page } = studio;
  await lookAt(page, prompt);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole("button", { name: "切换到中文" }).click();
  await page.getByRole("heading", { name: "注意力" }).waitFor();
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
  expect(await barriers(page)).toEqual([]);
});

test("nothing of all that went to the console", () => {
  expect(studio.problems).toEqual([]);
});
