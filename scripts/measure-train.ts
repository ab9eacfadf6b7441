/**
 * Measures how responsive the studio's page stays while it trains: in Chromium, `baby` on Shakespeare, then while it also
 * writes, and while Look inside is opened for the first time.
 * After `npm run build`: `node --conditions=source scripts/measure-train.ts [SECONDS]`.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStudio } from "../src/serve/server.ts";
import { launch } from "../test/browser/page.ts";
import { head, measure } from "./measure-page.ts";

const [seconds = 10] = process.argv.slice(2).map(Number);
const studio = await startStudio({ folder: join(tmpdir(), "llm-ts-no-runs"), ports: [0] });
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: "en-US" });
page.on("pageerror", (error) => console.error(error));

console.log(head);
await page.goto(studio.url);
await page.getByRole("button", { name: "Start training" }).click();
await page.locator(".newest").waitFor();
await measure(browser, page, "train", () => page.waitForTimeout(1000 * seconds));
await page.getByRole("button", { name: "Write", exact: true }).click();
await measure(browser, page, "train and write", () => page.waitForTimeout(1000 * seconds));
const facts = `${await page.locator(".progress").textContent()}; ${await page.locator(".device").textContent()}`;
await measure(browser, page, "look inside", async () => {
  await page.getByRole("link", { name: "Look inside" }).click();
  await page.getByRole("heading", { name: "Next token" }).waitFor();
  await page.waitForTimeout(1000);
});
console.log(`\n${facts}`);
await browser.close();
await studio.close();
