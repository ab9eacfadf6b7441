// Builds everything that git does not hold: assembly/tiles.ts and fma.ts, kernels/*.wasm from assembly/, dist/ from src/,
// dist/browser/, the library for pages without a bundler, from src/ as well, dist/web/, the studio's page, from web/.
// Up-to-date outputs are not rebuilt. Plain JavaScript, so that it runs on any Node before anything has been built.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { runSteps } from "./steps.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

/** One source, four builds: relaxed SIMD (fused multiply-add) or plain, shared memory (threads) or not. */
const builds = [
  { name: "relaxed-shared", relaxed: true, shared: true },
  { name: "plain-shared", relaxed: false, shared: true },
  { name: "relaxed", relaxed: true, shared: false },
  { name: "plain", relaxed: false, shared: false },
];

/** Written by the build itself. */
const generated = ["assembly/tiles.ts", "assembly/fma.ts"];

async function buildKernels(out) {
  const { default: asc } = await import("assemblyscript/asc");
  const { tilesSource } = await import("../assembly/tiles.mjs");
  const { fmaSource } = await import("../assembly/fma.mjs");
  const [tiles, fma] = generated;
  writeWhole(tiles, tilesSource());
  writeWhole(fma, fmaSource());
  for (const { name, relaxed, shared } of builds) {
    const args = ["assembly/index.ts", "--outFile", relative(root, join(out, `${name}.wasm`))];
    args.push("-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--initialMemory", "1");
    args.push("--maximumMemory", "65536", "--enable", relaxed ? "simd,relaxed-simd" : "simd");
    if (shared) args.push("--enable", "threads", "--sharedMemory");
    const { error, stderr } = await asc.main(args);
    if (error) throw new BuildError(`kernels/${name}.wasm: ${stderr.toString()}`);
  }
}

async function buildProgram(out, _folderOf, signal) {
  const tsc = createRequire(import.meta.url)
    .resolve("typescript/package.json")
    .replace("package.json", "bin/tsc");
  const args = [tsc, "-p", "tsconfig.build.json", "--outDir", out];
  const [code] = await once(spawn(process.execPath, args, { stdio: "inherit", signal }), "exit");
  if (code !== 0) throw new BuildError("src/ has errors of type.");
  // npm does this once, when it first links the command; a later build must not undo it.
  chmodSync(join(out, "cli/main.js"), 0o755);
}

/** As an application is built, not as Vite builds libraries: those have their kernels and texts inside of their code. */
async function buildLibrary(out, folderOf) {
  const { build } = await import("vite");
  // Modules that every page loads for a backend in one chunk, those of a backend that few use in another.
  const backends = {
    name: "backends",
    test: /src[\\/](backend(?![\\/]webgpu[\\/](?!entry))|platform|errors|turns)/,
    priority: 1,
  };
  const webgpu = { name: "webgpu", test: /src[\\/]backend[\\/]webgpu/ };
  const output = { entryFileNames: "[name].js", chunkFileNames: chunkName, assetFileNames: "[name][extname]" };
  await build({
    configFile: false,
    logLevel: "warn",
    base: "./",
    publicDir: false,
    plugins: [kernelsFrom(folderOf("kernels"))],
    resolve: { alias: { "#platform": resolve("src/platform/browser.ts") } },
    build: {
      outDir: out,
      emptyOutDir: false,
      assetsInlineLimit: 0,
      modulePreload: false,
      rolldownOptions: {
        input: { "llm-ts": "src/index.ts" },
        preserveEntrySignatures: "exports-only",
        output: { ...output, codeSplitting: { groups: [backends, webgpu] } },
      },
    },
    worker: { format: "es", plugins: () => [kernelsFrom(folderOf("kernels"))], rolldownOptions: { output } },
  });
}

/** Of packages whose code is in a folder of that name, the package's. */
function chunkName({ name, facadeModuleId }) {
  const [, found] = /.*node_modules\/(?:@[^/]+\/)?([^/]+?)(?:\.js)?\/(?:dist|lib)\//.exec(facadeModuleId ?? "") ?? [];
  return `${found ?? name}.js`;
}

async function buildPage(out, folderOf) {
  const { build } = await import("vite");
  const plugins = [kernelsFrom(folderOf("kernels"))];
  await build({
    configFile: "web/vite.config.ts",
    logLevel: "warn",
    plugins,
    worker: { plugins: () => plugins },
    build: { outDir: out },
  });
}

/** Redirects src/platform/browser.ts to kernels that were just built, and are not in kernels/ yet. */
function kernelsFrom(folder) {
  const path = relative(resolve("src/platform"), folder).replaceAll("\\", "/");
  return {
    name: "kernels",
    enforce: "pre",
    transform: (code, id) =>
      id.endsWith("/src/platform/browser.ts") ? code.replaceAll("../../kernels/", `${path}/`) : undefined,
  };
}

/** The file may be open elsewhere. */
function writeWhole(path, text) {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return;
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

class BuildError extends Error {}

const scripts = ["scripts/build.mjs", "scripts/steps.mjs"];
const assemblyscript = [...scripts, "node_modules/assemblyscript/package.json", "node_modules/binaryen/package.json"];
const typescript = [...scripts, "package-lock.json", "tsconfig.json", "tsconfig.build.json"];
const vite = [...scripts, "package-lock.json"];

try {
  await runSteps({
    root,
    ignored: (path) => path.endsWith(".test.ts") || generated.includes(path),
    steps: [
      { name: "kernels", from: [...assemblyscript, "assembly"], to: "kernels", build: buildKernels },
      { name: "program", from: [...typescript, "src"], to: "dist", build: buildProgram },
      {
        name: "library for pages",
        from: [...vite, "src", "assembly", "data"],
        to: "dist/browser",
        build: buildLibrary,
      },
      {
        name: "studio's page",
        from: [...vite, "scripts/chapters-plugin.ts", "src", "assembly", "data", "web", "docs/learn"],
        to: "dist/web",
        build: buildPage,
      },
    ],
  });
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`build: ${error.message} What was built before stays.`);
  process.exitCode = 1;
}
