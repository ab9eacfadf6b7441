/** The studio's Learn view in Chromium, compared with the same step in Node. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exercises } from "../../src/learn/source.ts";
import type { Studio } from "../../src/serve/server.ts";
import { LessonModels } from "../../web/engine/lesson/lesson.ts";
import type { LessonStep } from "../../web/engine/lesson/protocol.ts";
import { solved } from "../learn-solutions.ts";
import { launch, root } from "./page.ts";
import { barriers, openStudio, type StudioPage, serveStudio } from "./studio.ts";

/** Timeouts of waits, so that no test hangs. */
const soon = { timeout: 30_000 };
const judged = { timeout: 60_000 };
let browser: Browser;
let server: Studio;
let studio: StudioPage;
const lesson = new LessonModels();
let expected: LessonStep;

beforeAll(async () => {
  [browser, server] = [await launch(), await serveStudio()];
  studio = await openStudio(browser, server, "?threads=1#learn/06-attention");
  await lesson.makeOwn();
  expected = await lesson.step("First Citizen:\nBefore we proceed ");
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const chapterCount = readdirSync(join(root, "docs/learn")).filter((name) => /^\d\d-.*\.md$/.test(name)).length;
/** The exercises from one number to another. */
const ids = (from: string, to: string) =>
  exercises.map(({ id }) => id).filter((id) => id.slice(0, 2) >= from && id.slice(0, 2) <= to);
const tokens = (page: Page) => page.getByRole("radiogroup", { name: "The text’s tokens" }).getByRole("radio");
const tensor = (page: Page) => page.getByLabel("Tensor", { exact: true });
const readout = (page: Page) => page.locator(".lesson-step .readout");
const code = (page: Page) => page.getByLabel("Your code");
const verdict = (page: Page) => page.locator(".verdict");

/** As the page shows numbers of tensors. */
function shown(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) < 1e-3 ? value.toExponential(3) : value.toPrecision(4);
}

async function check(page: Page, source: string): Promise<string> {
  await code(page).fill(source);
  await code(page).press("Control+Enter");
  await expect.poll(() => verdict(page).textContent(), judged).not.toMatch(/^$|Running/);
  return (await verdict(page).textContent()) ?? "";
}

test("a chapter stands beside a step of the small model, which the tab makes", async () => {
  const { page } = studio;
  await page.getByRole("heading", { name: "6. Attention" }).waitFor();
  await tokens(page).first().waitFor();
  expect((await tokens(page).allTextContents()).join("")).toBe("First·Citizen:⏎Before·we·proceed");
  expect(await page.locator(".lesson-status").textContent()).toMatch(
    /^Small model: 2 layers, 2 heads, 16 channels, [\d,]+ parameters\. Untrained\. Loss /,
  );
  expect(await page.locator(".lesson-status").textContent()).toContain(`Loss ${expected.loss.toFixed(3)}.`);
  // The chapter's first tensor, and its gradient beside it.
  await expect.poll(() => page.locator(".step-pictures canvas").count(), soon).toBe(2);
  expect(await tensor(page).inputValue()).toBe("h.0.qkv");
  expect(await barriers(page)).toEqual([]);
});

test("arrow keys read out values and gradients, which are those of Node", async () => {
  const { page } = studio;
  for (const [name, first] of [
    ["h.0.qkv", "d.h.0.qkv"],
    ["new.h.1.fcw", "h.1.fcw"],
  ]) {
    await tensor(page).selectOption(name);
    await expect.poll(() => page.locator(".step-pictures canvas").count(), soon).toBe(2);
    const names = await page.locator(".step-pictures figcaption strong").allTextContents();
    expect(names.sort()).toEqual([name, first].sort());
    await page.locator(".step-pictures").getByRole("application").first().focus();
    await page.keyboard.press("Home");
    for (const key of ["ArrowRight", "ArrowRight"]) await page.keyboard.press(key);
    const numbers = (await readout(page).textContent())?.match(/= \S+/g) ?? [];
    expect(numbers).toHaveLength(2);
    const row = await page.locator(".readout").first().textContent();
    const index = Number(/\[(?:0, )?(\d+), 2\]/.exec(row ?? "")?.[1]);
    for (const each of [name, first]) {
      const values = await lesson.tensor(each);
      const columns = expected.tensors.find((one) => one.name === each)?.shape.at(-1) ?? 0;
      expect(numbers).toContain(`= ${shown(values[index * columns + 2])}`);
    }
  }
});

test("a pointer reads out cells, and a click selects the row's token", async () => {
  const { page } = studio;
  await tensor(page).selectOption("encoded");
  const picture = page.locator(".step-pictures canvas").first();
  await picture.hover({ position: { x: 30, y: 32 } });
  await expect.poll(() => readout(page).textContent(), soon).toMatch(/^encoded\[0, 2, 0\] ‹r› = /);
  await picture.click({ position: { x: 30, y: 32 } });
  await expect
    .poll(() => page.locator(".token-strip [aria-checked=true]").getAttribute("aria-label"), soon)
    .toMatch(/^‹r›, position 2/);
});

test("the step is walked through operation by operation, and operands lead to theirs", async () => {
  const { page } = studio;
  await tensor(page).selectOption("encoded");
  expect(await page.locator(".operation").textContent()).toContain("out[t] = wte[tokens[t]] + wpe[t]");
  await page.getByRole("button", { name: "Next tensor" }).click();
  await expect.poll(() => tensor(page).inputValue(), soon).toBe("h.0.ln1.mean");
  await page.getByLabel("Place in the step").focus();
  await page.keyboard.press("End");
  const last = expected.tensors.at(-1)?.name;
  await expect.poll(() => tensor(page).inputValue(), soon).toBe(last);
  await page
    .locator(".operation")
    .getByRole("button", { name: `d.${last?.slice("new.".length)}`, exact: true })
    .click();
  await expect.poll(() => tensor(page).inputValue(), soon).toBe(`d.${last?.slice("new.".length)}`);
});

test("a token's loss asks of itself and of those before", async () => {
  const { page } = studio;
  const t = 11;
  await tokens(page).nth(t).click();
  await page.getByRole("heading", { name: "What predicting ‹n› after ‹e› asks" }).waitFor();
  const asks = await lesson.asks(t);
  await expect
    .poll(() => page.locator(".lesson-asks").textContent(), soon)
    .toContain(`The loss of ‹n› is ${asks.loss.toFixed(3)}.`);
  const heads = page.locator(".lesson-asks").getByRole("application").nth(1);
  await heads.focus();
  // The first key reads out the selected token.
  for (const key of ["ArrowLeft", "Home"]) await page.keyboard.press(key);
  const norm = shown(asks.heads[0]);
  await expect
    .poll(() => page.locator(".lesson-asks .readout").nth(1).textContent(), soon)
    .toBe(`1, head 1, ‹F›: norm ${norm}`);
});

test("a weight's update has its numbers, and gradients their norms", async () => {
  const { page } = studio;
  await page.getByLabel("Weights").selectOption("wte");
  await page.getByLabel("Element").fill("35");
  const cells = page.locator(".update-table td.mono");
  const before = (await lesson.tensor("wte"))[35];
  const after = (await lesson.tensor("new.wte"))[35];
  await expect.poll(async () => (await cells.allTextContents()).at(0), soon).toBe(shown(before));
  expect((await cells.allTextContents()).at(-1)).toBe(shown(after));
  const norm = expected.tensors.find(({ name }) => name === "d.encoded")?.norm ?? 0;
  const row = page.locator(".norms li").filter({ hasText: /^d\.encoded/ });
  expect(await row.locator(".share").textContent()).toBe(shown(norm));
  await page.getByLabel("Element").fill("-1");
  await page.getByText(/A whole number from 0 to/).waitFor();
  expect(await barriers(page)).toEqual([]);
});

test("training in the lesson lowers the loss", async () => {
  const { page } = studio;
  await page.getByRole("button", { name: "Train 100 updates on it" }).click();
  const status = page.locator(".lesson-status");
  await expect.poll(() => status.textContent(), judged).toMatch(/100 updates so far\. Loss \d/);
  const [, from, to] = /fell from (\S+) to (\S+)\./.exec((await status.textContent()) ?? "") ?? [];
  expect(from).toBe(expected.loss.toFixed(3));
  expect(Number(to)).toBeLessThan(Number(from) - 0.5);
});

test("an exercise is judged in the page: mistakes, errors, loops, types", async () => {
  const { page } = studio;
  await page.getByLabel("Exercise", { exact: true }).selectOption("05-attention");
  const right = solved("05-attention", "ts");
  expect(await check(page, right.replace(" / Math.sqrt(hs);", ";"))).toMatch(/Likely: the scale is missing/);
  await page.getByRole("button", { name: "Hint 1 of 4" }).click();
  expect(await page.locator(".hints li").allTextContents()).toEqual([expect.stringMatching(/^Loops over b/)]);
  expect(await check(page, right.replace("{\n", "{\n  nothing.at = 1;\n"))).toMatch(
    /ReferenceError: nothing is not defined \(line \d+\)/,
  );
  expect(await check(page, `${right}\n)`)).toMatch(
    new RegExp(`Unexpected token \\(line ${right.split("\n").length + 1}\\)`),
  );
  expect(await check(page, right.replace("{\n", "{\n  for (;;);\n"))).toMatch(/did not end within 10 seconds/);
  expect(await check(page, right)).toMatch(/^✓ Right\./);
  expect(await page.locator(".lesson-exercise header").textContent()).toContain("1 of 16 right");
  expect(await barriers(page)).toEqual([]);
});

test("progress survives a reload, and code that was replaced comes back", async () => {
  const { page } = studio;
  await page.reload();
  await page.getByLabel("Exercise", { exact: true }).selectOption("05-attention");
  expect(await code(page).inputValue()).toBe(solved("05-attention", "ts"));
  expect(await page.locator(".lesson-exercise header").textContent()).toContain("1 of 16 right");
  await page.getByRole("button", { name: "Begin it again" }).click();
  await expect.poll(() => code(page).inputValue(), soon).toContain("// Your lines.");
  await page.getByRole("button", { name: "Bring my code back" }).click();
  await expect.poll(() => code(page).inputValue(), soon).toBe(solved("05-attention", "ts"));
});

test("the exercise of all layers imports the others", async () => {
  const { page } = studio;
  for (const id of ["01-embedding", "02-layernorm", "03-matmul", "06-gelu", "07-loss"]) {
    await page.getByLabel("Exercise", { exact: true }).selectOption(id);
    expect([id, await check(page, solved(id, "js"))]).toEqual([id, expect.stringMatching(/^✓ Right\./)]);
  }
  for (const id of ids("08", "13")) {
    await page.getByLabel("Exercise", { exact: true }).selectOption(id);
    await code(page).fill(solved(id, "ts"));
  }
  await page.getByLabel("Exercise", { exact: true }).selectOption("15-train");
  const right = solved("15-train", "ts");
  expect(await check(page, right.replace("value + head.dweight[i]", "value"))).toMatch(/grads\["wte"\] at /);
  expect(await check(page, right)).toMatch(/^✓ Right\./);
});

test("chapters follow each other, with their pictures and sources", async () => {
  const { page } = studio;
  await page.getByRole("link", { name: /^7\. .*→$/ }).click();
  await page.getByRole("heading", { name: "7. The MLP and GELU" }).waitFor();
  expect(page.url()).toMatch(/#learn\/07-mlp$/);
  await expect.poll(() => tensor(page).inputValue(), soon).toMatch(/^h\.0\.f/);
  expect(await page.getByLabel("Chapter", { exact: true }).locator("option").count()).toBe(chapterCount);
  const titles = await page.getByLabel("Chapter", { exact: true }).locator("option").allTextContents();
  for (const title of titles) {
    await page.getByLabel("Chapter", { exact: true }).selectOption({ label: title });
    await page.locator(".chapter").getByRole("heading", { name: title }).waitFor();
    const picture = page.locator(".chapter-text img");
    await picture.scrollIntoViewIfNeeded();
    await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth), soon).toBeGreaterThan(0);
  }
  const sources = await page
    .locator('.chapter-text a[href$=".txt"]')
    .evaluateAll((links) => links.map((link) => (link as HTMLAnchorElement).href));
  expect(sources.length).toBeGreaterThan(0);
  for (const url of sources) {
    const answer = await page.request.get(url);
    expect([answer.status(), answer.headers()["content-type"]]).toEqual([200, "text/plain;charset=utf-8"]);
  }
});

test("a model that was trained in the tab is copied", async () => {
  const { page } = studio;
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Train" }).click();
  await page.getByLabel(/^tiny/).check();
  await page.locator("details.card summary").click();
  await page.locator("details.card").getByLabel("Updates", { exact: true }).fill("20");
  const start = page.locator(".controls").getByRole("button", { name: "Start training" });
  await expect.poll(() => start.isEnabled(), soon).toBe(true);
  await start.click();
  await expect.poll(() => page.locator(".phase").textContent(), judged).toBe("Done");
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Learn" }).click();
  await expect
    .poll(() => page.locator(".lesson-status").textContent(), judged)
    .toMatch(/^(?!Small).+: \d+ layers, \d+ heads, .* 20 updates so far\. Loss \d/);
  await page.getByLabel("Small: 2 layers, 16 channels").check();
  await expect.poll(() => page.locator(".lesson-status").textContent(), soon).toMatch(/^Small model: .* Untrained\./);
});

test("in Chinese, on a phone, nothing is wider than the screen", async () => {
  const { page } = studio;
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole("button", { name: "切换到中文" }).click();
  await page.getByRole("heading", { name: "一步训练" }).waitFor();
  await page.getByLabel("章节", { exact: true }).selectOption("11-backward");
  await page.getByRole("heading", { name: /^11\. .*[一-鿿]/ }).waitFor();
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
  expect(await barriers(page)).toEqual([]);
  await page.getByRole("button", { name: /到模型和练习/ }).click();
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("learn-live");
});

test("nothing of all that went to the console", () => {
  expect(studio.problems).toEqual([]);
});
