import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type InlineConfig } from "vite";
import { root } from "./page.ts";

/** Installs llm-ts as a package of a folder. */
export function installIn(folder: string): void {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  // A junction on Windows: links to folders need privileges there.
  symlinkSync(root, join(folder, "node_modules", "llm-ts"), "junction");
}

/**
 * Bundles a page whose dedicated worker is test/browser/worker.js, with llm-ts from its sources, as the studio is
 * bundled. tab.ts drives it.
 */
export async function bundleWorkerPage(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const worker = JSON.stringify(join(root, "test/browser/worker.js"));
  writeFileSync(join(folder, "worker.js"), `import ${worker};\n`);
  const [page, evaluate] = ["worker-page.js", "evaluate.js"].map((name) =>
    JSON.stringify(join(root, "test/browser", name)),
  );
  const main = `import { start } from ${page};
import { evaluate } from ${evaluate};
globalThis.evaluateHere = evaluate;
globalThis.startWorker = () => start(new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
`;
  const alias = { "llm-ts": join(root, "src/index.ts"), "#platform": join(root, "src/platform/browser.ts") };
  return bundle(folder, main, { alias });
}

/** Bundles a page that has the studio's engine and nothing else: engine-page.js. engine-tab.ts drives it. */
export async function bundleEnginePage(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const page = JSON.stringify(join(root, "test/browser/engine-page.js"));
  return bundle(folder, `import ${page};\n`, { alias: { "#platform": join(root, "src/platform/browser.ts") } });
}

async function bundle(folder: string, main: string, resolve: InlineConfig["resolve"]): Promise<string> {
  const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>';
  writeFileSync(join(folder, "index.html"), html);
  writeFileSync(join(folder, "main.js"), main);
  await build({
    root: folder,
    base: "./",
    logLevel: "error",
    configFile: false,
    resolve,
    worker: { format: "es" },
    build: { target: "esnext" },
  });
  return join(folder, "dist");
}
