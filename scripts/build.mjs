// Builds everything that git does not hold: assembly/tiles.ts and fma.ts, kernels/*.wasm from assembly/, dist/ from src/,
// dist/browser/, the library for pages without a bundler, from src/ as well, dist/web/, the studio's page, from web/.
// Plain JavaScript, so that it runs on any Node before anything has been built.

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { build } from "vite";
import { fmaSource } from "../assembly/fma.mjs";
import { tilesSource } from "../assembly/tiles.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

/** One source, four builds: relaxed SIMD (fused multiply-add) or plain, shared memory (threads) or not. */
const builds = [
  { name: "relaxed-shared", relaxed: true, shared: true },
  { name: "plain-shared", relaxed: false, shared: true },
  { name: "relaxed", relaxed: true, shared: false },
  { name: "plain", relaxed: false, shared: false },
];

async function buildKernels() {
  writeFileSync("assembly/tiles.ts", tilesSource());
  writeFileSync("assembly/fma.ts", fmaSource());
  mkdirSync("kernels", { recursive: true });
  for (const { name, relaxed, shared } of builds) {
    const args = ["assembly/index.ts", "--outFile", `kernels/${name}.wasm`];
    args.push("-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--initialMemory", "1");
    args.push("--maximumMemory", "65536", "--enable", relaxed ? "simd,relaxed-simd" : "simd");
    if (shared) args.push("--enable", "threads", "--sharedMemory");
    const { error, stderr } = await asc.main(args);
    if (error) {
      console.error(stderr.toString());
      process.exit(1);
    }
  }
}

function buildSources() {
  rmSync("dist", { recursive: true, force: true });
  const tsc = createRequire(import.meta.url)
    .resolve("typescript/package.json")
    .replace("package.json", "bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { stdio: "inherit" });
  // npm does this once, when it first links the command; a later build must not undo it.
  chmodSync("dist/cli/main.js", 0o755);
}

/** As an application is built, not as Vite builds libraries: those have their kernels and texts inside of their code. */
async function buildLibrary() {
  const output = { entryFileNames: "[name].js", chunkFileNames: "[name].js", assetFileNames: "[name][extname]" };
  await build({
    configFile: false,
    logLevel: "warn",
    base: "./",
    publicDir: false,
    resolve: { alias: { "#platform": resolve("src/platform/browser.ts") } },
    build: {
      outDir: "dist/browser",
      assetsInlineLimit: 0,
      modulePreload: false,
      rolldownOptions: { input: { "llm-ts": "src/index.ts" }, preserveEntrySignatures: "exports-only", output },
    },
    worker: { format: "es", rolldownOptions: { output } },
  });
}

async function buildPage() {
  await build({ configFile: "web/vite.config.ts", logLevel: "warn" });
}

await buildKernels();
buildSources();
await buildLibrary();
await buildPage();
