import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";
import { root } from "./page.ts";

/** Bundles a page that uses llm-ts as an installed package, the way a reader's own project would. Returns its folder. */
export async function bundlePage(folder: string): Promise<string> {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  // A junction on Windows, where links to folders need no rights then.
  symlinkSync(root, join(folder, "node_modules", "llm-ts"), "junction");
  const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>';
  writeFileSync(join(folder, "index.html"), html);
  const program = JSON.stringify(join(root, "test/browser/program.js"));
  writeFileSync(join(folder, "main.js"), `import * as program from ${program};\nglobalThis.program = program;\n`);
  await build({
    root: folder,
    logLevel: "error",
    configFile: false,
    resolve: { alias: { "llm-ts": join(folder, "node_modules", "llm-ts") } },
    build: { target: "esnext" },
  });
  return join(folder, "dist");
}
