/**
 * Measures how responsive the studio's Learn view stays: its first load, pictures under the pointer, a walk through the step,
 * chapters, a training of 100 updates, an exercise being judged. Then the same with a copy of `baby`, trained in the tab.
 * After `npm run build`: `node --conditions=source scripts/measure-learn.ts`.
 */
import type { Page } from "playwright-core";
import { startStudio } from "../src/serve/server.ts";
import { launch } from "../test/browser/page.ts";
import { head, measure } from "./measure-page.ts";

const studio = await startStudio({ folder: "no-runs", ports: [0] });
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, locale: "en-US" });
const isReady = (page: Page) => page.locator(".lesson-status", { hasText: "Loss" }).waitFor();

async function walk(name: string): Promise<void> {
  const step = (what: string, act: () => Promise<unknown>) => measure(browser, page, `${name}: ${what}`, act);
  await step("pointer over a picture", async () => {
    const box = await page.locator(".step-pictures canvas").first().boundingBox();
    if (!box) throw new Error("there is no picture");
    for (let i = 0; i < 100; i++) await page.mouse.move(box.x + (i / 100) * box.width, box.y + (i / 100) * box.height);
  });
  await step("walk through the step", async () => {
    for (let i = 0; i < 40; i++) await page.getByRole("button", { name: "Next tensor" }).click();
  });
  await step("ten tokens", async () => {
    for (let i = 0; i < 10; i++) await page.locator(".token-strip button").nth(i).click();
  });
  await step("five chapters", async () => {
    for (const id of ["03-embeddings", "06-attention", "09-loss", "11-backward", "12-adamw"]) {
      await page.getByLabel("Chapter", { exact: true }).selectOption(id);
      await page.waitForTimeout(300);
    }
  });
  await step("compute a step", async () => {
    await page.getByRole("button", { name: "Compute a step" }).click();
    await isReady(page);
  });
}

console.log(head);
await page.goto(`${studio.url}?threads=1#runs`);
await measure(browser, page, "opening the view", async () => {
  await page.evaluate('location.hash = "#learn/06-attention"');
  await isReady(page);
  await page.waitForTimeout(1000);
});
await walk("small model");
await measure(browser, page, "100 updates", async () => {
  await page.getByRole("button", { name: /^Train 100 updates/ }).click();
  await page.locator(".lesson-status", { hasText: "100 updates so far" }).waitFor();
});
await measure(browser, page, "judging the fast matmul", async () => {
  await page.getByLabel("Exercise", { exact: true }).selectOption("16-fast-matmul");
  await page.getByLabel("Your code").press("Control+Enter");
  await page.locator(".verdict", { hasText: "Right" }).waitFor({ timeout: 120_000 });
});
await page.evaluate('location.hash = "#train"');
await page.getByLabel(/^baby/).check();
await page.locator("details.card summary").click();
await page.locator("details.card").getByLabel("Updates", { exact: true }).fill("120");
await page.getByRole("button", { name: "Start training" }).click();
await page.locator(".phase", { hasText: "Done" }).waitFor({ timeout: 120_000 });
await page.evaluate('location.hash = "#learn/06-attention"');
await page.locator(".lesson-status", { hasText: "baby" }).waitFor({ timeout: 60_000 });
await walk("baby");
await browser.close();
await studio.close();
