/**
 * Takes the screenshots of the studio in README: real runs, and training in the tab, in Chromium. After
 * `npm run build`: `node --conditions=source scripts/studio-pictures.ts`, about two minutes.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { startStudio } from "../src/serve/server.ts";
import { launch, root } from "../test/browser/page.ts";

const out = join(root, "docs/img");
const folder = mkdtempSync(join(tmpdir(), "llm-ts-pictures-"));
const cwd = join(folder, "runs");
mkdirSync(cwd);

const runs = { "lr-1e-3": [], "lr-3e-3": ["-l", "3e-3"], "lr-3e-4": ["-l", "3e-4"] };
for (const [name, options] of Object.entries(runs)) {
  const args = [join(root, "dist/cli/main.js"), "train", "--model", "baby", "-x", "500", "-o", name, ...options];
  execFileSync(process.execPath, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
}

const studio = await startStudio({ folder: cwd, ports: [0] });
const browser = await launch();

async function openPage(hash: string, height: number, colorScheme: "light" | "dark"): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height }, colorScheme, locale: "en-US" });
  page.on("pageerror", (error) => console.error(error));
  await page.goto(studio.url + hash);
  return page;
}

// The page names the folder; the reader's own is shorter.
const shown = await openPage(`#runs/${Object.keys(runs).join("/")}`, 1180, "light");
await shown.getByRole("heading", { name: "Settings" }).waitFor();
await shown.waitForTimeout(2000);
await shown.getByRole("heading", { name: cwd }).evaluate((element, cwd) => {
  element.textContent = (element.textContent ?? "").replace(cwd, "~/runs");
}, cwd);
await shown.screenshot({ path: join(out, "studio-runs.png") });
await shown.close();

const page = await openPage("", 900, "light");
await page.getByRole("button", { name: "Start training" }).click();
const bar = page.locator(".progress progress");
await bar.waitFor();
while ((await bar.evaluate((element) => (element as HTMLProgressElement).value)) < 760) await page.waitForTimeout(200);
await page.screenshot({ path: join(out, "studio-train.png") });
await page.getByRole("link", { name: "Look inside" }).click();
await page.getByRole("heading", { name: "Attention" }).waitFor();
await page.emulateMedia({ colorScheme: "dark" });
await page.setViewportSize({ width: 1280, height: 1150 });
await page.waitForTimeout(1000);
await page.screenshot({ path: join(out, "studio-inside.png") });

const lesson = await openPage("?threads=1#learn/06-attention", 1150, "light");
await lesson.locator(".lesson-status", { hasText: "Loss" }).waitFor();
await lesson.getByRole("button", { name: /^Train 100 updates/ }).click();
await lesson.locator(".lesson-status", { hasText: "100 updates so far" }).waitFor();
await lesson.locator(".lesson-step .readout").waitFor();
await lesson.waitForTimeout(1000);
await lesson.screenshot({ path: join(out, "studio-learn.png") });

await browser.close();
await studio.close();
rmSync(folder, { recursive: true });
