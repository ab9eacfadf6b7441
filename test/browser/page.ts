import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { reachableInBrowser } from "../imports.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export const chromiumPath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";

export function launch(): Promise<Browser> {
  if (!existsSync(chromiumPath))
    throw new Error(`There is no Chromium at ${chromiumPath}. Install it, or set CHROMIUM_PATH to where one is.`);
  // Without a sandbox, since a container's root has none; the rest keeps Chromium from calling home.
  const quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  const args = ["--no-sandbox", ...quiet, "--disable-component-update", "--disable-sync"];
  return chromium.launch({ executablePath: chromiumPath, args });
}

/** What a page that has no bundler needs to find the packages that the program imports. */
function importMap(): string {
  const imports: Record<string, string> = { "llm-ts": "/dist/index.js", "#platform": "/dist/platform/browser.js" };
  for (const specifier of [...reachableInBrowser(root, "src/index.ts").values()].flat()) {
    if (/^[.#]/.test(specifier)) continue;
    const path = fileURLToPath(import.meta.resolve(specifier));
    imports[specifier] = `/${relative(root, path).replaceAll(sep, "/")}`;
  }
  return JSON.stringify({ imports });
}

export function pageSource(): string {
  return `<!doctype html><meta charset="utf-8"><title>llm.ts</title><link rel="icon" href="data:,">
<script type="importmap">${importMap()}</script>`;
}

export interface Run {
  readonly losses: number[];
  readonly norms: number[];
  readonly tokens: number[];
  readonly fma: boolean;
  readonly threads: number;
  readonly description: string;
}

/** Calls a function of program.js in Node, which finds "llm-ts" as this very package. */
export function callInNode<T>(call: string): T {
  const code = `import * as program from "./test/browser/program.js";
    console.log(JSON.stringify((await program.${call}) ?? null));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", code], { cwd: root, encoding: "utf8" });
  return JSON.parse(output);
}
