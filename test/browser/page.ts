import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type LaunchOptions, type Page } from "playwright-core";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export const chromiumPath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";

/** `resolve`: a name that is this machine's, for pages from an address that browsers do not trust as they trust localhost. */
export function launch({ resolve }: { readonly resolve?: string } = {}): Promise<Browser> {
  const { args = [], ...options } = launchOptions();
  if (resolve !== undefined) args.push(`--host-resolver-rules=MAP ${resolve} 127.0.0.1`);
  return chromium.launch({ ...options, args });
}

/** A browser with a profile on disk; `newPage` of a plain browser is like a private window, which keeps all in memory. */
export function launchWithDisk(folder: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(folder, launchOptions());
}

/** A browser in which no site may store anything. */
export function launchForbidding(folder: string): Promise<BrowserContext> {
  mkdirSync(join(folder, "Default"), { recursive: true });
  const settings = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(join(folder, "Default", "Preferences"), JSON.stringify(settings));
  return launchWithDisk(folder);
}

export function launchOptions(): LaunchOptions {
  if (!existsSync(chromiumPath))
    throw new Error(`There is no Chromium at ${chromiumPath}. Install it, or set CHROMIUM_PATH to where one is.`);
  // Without a sandbox, since a container's root has none; the other flags disable Chromium's background network traffic.
  const quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  const args = ["--no-sandbox", ...quiet, "--disable-component-update", "--disable-sync"];
  return { executablePath: chromiumPath, args };
}

/** A page without a bundler: program.js imports the library built for such pages. */
export const plainPage = `<!doctype html><meta charset="utf-8"><title>llm.ts</title><link rel="icon" href="data:,">
<script type="importmap">{ "imports": { "llm-ts": "/dist/browser/llm-ts.js" } }</script>`;

export interface Run {
  readonly losses: number[];
  readonly norms: number[];
  readonly tokens: number[];
  readonly fma: boolean;
  readonly threads: number;
  readonly description: string;
}

/** Calls a function of program.js, or of another such file, in Node, which finds "llm-ts" as this very package. */
export function callInNode<T>(call: string, file = "program.js"): T {
  const code = `import * as program from "./test/browser/${file}";
    console.log(JSON.stringify((await program.${call}) ?? null));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", code], { cwd: root, encoding: "utf8" });
  return JSON.parse(output);
}

/** Adds errors and warnings of a page to `problems`. */
export function watch(page: Page, problems: string[]): void {
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
}
