import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  circlesOf,
  importsOf,
  modulesOf,
  reachableInBrowser,
  readModule,
  resolveImport,
  withoutComments,
} from "./imports.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The layers of src/, bottom up: each may import from itself and from those before it. See ARCHITECTURE.md. */
const layers = [
  "errors.ts",
  "option-names.ts",
  "turns.ts",
  "random",
  "plot",
  "platform",
  "backend",
  "model",
  "format",
  "hub",
  "tokenizer",
  "group",
  "data",
  "generate",
  "api",
  "inspect",
  "eval",
  "train",
  "runs",
  "mistakes",
  "verify",
  "learn",
  "bench",
  "index.ts",
  "serve",
  "cli",
];

/** The entry file of a worker or child process is the start of a program: above all layers, wherever it is. */
const isEntry = (path: string) => path.endsWith("-entry.ts");

const nodeAllowed = /^src\/(platform\/node|runs\/node-|hub\/|bench\/|serve\/|cli\/)/;

const modules = modulesOf(root, "src");
const layerOf = (path: string) => path.split("/")[1] ?? "";

test("every layer is known", () => {
  expect(modules.map(layerOf).filter((layer) => !layers.includes(layer))).toEqual([]);
});

test("no layer imports from one above it, types included", () => {
  const upward: string[] = [];
  for (const path of modules.filter((path) => !isEntry(path))) {
    for (const specifier of importsOf(readModule(root, path), true)) {
      if (!specifier.startsWith(".")) continue;
      const target = resolveImport(path, specifier);
      if (layers.indexOf(layerOf(target)) > layers.indexOf(layerOf(path)) && !isEntry(target))
        upward.push(`${path} imports ${target}`);
    }
  }
  expect(upward).toEqual([]);
});

test("no modules import each other in a circle, types included", () => {
  expect(circlesOf(root, [...modules, ...modulesOf(root, "web")])).toEqual([]);
});

test("only Node's platform, the hub, the benchmark, the studio's server and the command import from Node", () => {
  const outside = modules.filter((path) => importsOf(readModule(root, path)).some((name) => name.startsWith("node:")));
  expect(outside.filter((path) => !nodeAllowed.test(path))).toEqual([]);
});

/** Users of a backend besides the registry: entry files of its workers, and `inspect`, which shows the reference's arithmetic. */
const backendUsers: Readonly<Record<string, RegExp>> = {
  "src/backend/wasm/": /^src\/platform\/[a-z-]+-entry\.ts$/,
  "src/backend/reference/": /^src\/inspect\/inspect\.ts$/,
  "src/backend/webgpu/": /^$/,
};

test("backends are had from the registry", () => {
  const found: string[] = [];
  const files = [...modules, ...modulesOf(root, "web")].filter((path) => !path.startsWith("src/backend/"));
  for (const path of files) {
    // Imports of types count as well.
    const specifiers = [...readModule(root, path).matchAll(/(?:\bfrom|\bimport\()\s*"(\.[^"]+)"/g)].map(
      ([, name]) => name,
    );
    for (const target of specifiers.map((specifier) => resolveImport(path, specifier))) {
      const users = Object.entries(backendUsers).find(([folder]) => target.startsWith(folder))?.[1];
      if (users && !users.test(path)) found.push(`${path} imports ${target}`);
    }
    // The programs that bench compares with have WebAssembly of their own.
    if (!/^src\/(platform|bench\/peers)\//.test(path) && /"wasm"/.test(withoutComments(readModule(root, path))))
      found.push(`${path} names wasm`);
  }
  expect(found).toEqual([]);
});

test("what only Node has as a global stays at the same edge", () => {
  const nodeOnly = /\b(process|Buffer|setImmediate|__dirname)\b\s*[.(]/;
  const outside = modules.filter((path) => nodeOnly.test(withoutComments(readModule(root, path))));
  expect(outside.filter((path) => !nodeAllowed.test(path))).toEqual([]);
});

test("no folder is made by mkdir's recursive option, which never returns in /proc: makeFolder does it", () => {
  const source = modules.map((path) => ({ path, text: withoutComments(readModule(root, path)) }));
  const found = source.filter(({ text }) => /\bmkdir(Sync)?\([^;]*recursive/.test(text));
  expect(found.map(({ path }) => path)).toEqual([]);
});

test("only what the package depends on is imported", () => {
  const { dependencies } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));
  const packages = new Set<string>();
  for (const path of modules) {
    for (const specifier of importsOf(readModule(root, path))) {
      if (/^(\.|node:|#)/.test(specifier)) continue;
      packages.add(/^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier);
    }
  }
  expect([...packages].filter((name) => !Object.hasOwn(dependencies, name))).toEqual([]);
});

test("nothing that a page loads imports from Node", () => {
  const found = reachableInBrowser(root, "src/index.ts");
  expect([...found.keys()]).toContain("src/platform/browser-worker-entry.ts");
  const imports = [...found].flatMap(([path, names]) => names.map((name) => `${path}: ${name}`));
  expect(imports.filter((line) => line.includes(": node:"))).toEqual([]);
});

test("a browser's worker imports by relative paths alone, since import maps end at the page", () => {
  const found = reachableInBrowser(root, "src/platform/browser-worker-entry.ts");
  expect([...found.values()].flat().filter((specifier) => !specifier.startsWith("."))).toEqual([]);
});

describe("the studio's page", () => {
  const targets = modulesOf(root, "web").flatMap((path) =>
    importsOf(readModule(root, path)).map((specifier) => ({
      path,
      target: specifier.startsWith(".") ? resolveImport(path, specifier) : specifier,
    })),
  );
  const inWords = (found: typeof targets) => found.map(({ path, target }) => `${path} imports ${target}`);

  test("is made of what knows nothing of Node, nor of the command", () => {
    expect(targets.length).toBeGreaterThan(100);
    expect(inWords(targets.filter(({ target }) => nodeAllowed.test(target) || target.startsWith("node:")))).toEqual([]);
  });

  test("computes in the engine alone, which its views reach through the client", () => {
    const engine = /^web\/engine\//;
    const forViews = /^web\/engine\/(client|lesson\/(client|protocol))\.ts$/;
    const outside = targets.filter(({ path, target }) => !engine.test(path) && engine.test(target));
    expect(inWords(outside.filter(({ target }) => !forViews.test(target)))).toEqual([]);
    const computing = /^src\/(api|backend\/(?!shape\.ts)|generate|inspect|train\/trainer)/;
    expect(inWords(targets.filter(({ path, target }) => !engine.test(path) && computing.test(target)))).toEqual([]);
  });
});
