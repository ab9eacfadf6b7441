/** Shared by the studio's tests: the built page in Chromium, and checks that hold for every page. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { type Studio, startStudio } from "../../src/serve/server.ts";
import { watch } from "./page.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The studio's server with the built page. `folder`: folder of runs; default: a missing one. */
export function serveStudio(folder = join(tmpdir(), "llm-ts-no-runs")): Promise<Studio> {
  return startStudio({ folder, ports: [0] });
}

export interface StudioPage {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Errors and warnings of the console, and exceptions. */
  readonly problems: readonly string[];
}

/** A fresh browser profile with the page in it. `query`: such as `?threads=2`. */
export async function openStudio(
  browser: Browser,
  server: { readonly url: string },
  query = "",
  options: BrowserContextOptions = {},
): Promise<StudioPage> {
  const context = await browser.newContext({ locale: "en-US", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const problems: string[] = [];
  watch(page, problems);
  await page.goto(`${server.url}${query}`);
  return { context, page, problems };
}

/** Findings of axe-core on the current page, in light and dark. */
export async function barriers(page: Page): Promise<string[]> {
  if (!(await page.evaluate("'axe' in globalThis"))) await page.evaluate(axe);
  const found: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const lines = await page.evaluate<string[]>(`axe.run().then(({ violations }) =>
      violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + " " + target + ": " + failureSummary)))`);
    found.push(...lines.map((line) => `${colorScheme}: ${line}`));
  }
  return found;
}

/** Drops files on an element, as a mouse would. */
export async function drop(page: Page, selector: string, name: string, text: string): Promise<void> {
  const transfer = await page.evaluateHandle(
    ([name, text]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], name, { type: "text/plain" }));
      return transfer;
    },
    [name, text] as const,
  );
  for (const type of ["dragover", "drop"]) await page.dispatchEvent(selector, type, { dataTransfer: transfer });
}

/** The losses of these kinds in the metrics.jsonl of the run that is shown, in the page's private storage. */
export function lossesShown(page: Page, ...kinds: readonly ("step" | "val")[]): Promise<number[]> {
  return page.evaluate(async (kinds) => {
    const name = document.querySelector(".run-name")?.textContent ?? "";
    const root = await navigator.storage.getDirectory();
    const folder = await (await root.getDirectoryHandle("runs")).getDirectoryHandle(name);
    const log = await (await (await folder.getFileHandle("metrics.jsonl")).getFile()).text();
    const events = log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    return events.filter(({ event }) => kinds.includes(event)).map(({ loss }) => loss);
  }, kinds);
}
