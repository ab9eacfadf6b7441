import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";

/** Imports of a module at run time; `withTypes`: imports of types as well. */
export function importsOf(source: string, withTypes = false): string[] {
  const code = withoutComments(source);
  const patterns = [
    ...(withTypes ? [/^\s*(?:import|export)\s+type\b[\w*{}\s,$]*?\bfrom\s*"([^"]+)"/gm] : []),
    /^\s*(?:import|export)\s+(?!type\b)[\w*{}\s,$]*?\bfrom\s*"([^"]+)"/gm,
    /^\s*import\s*"([^"]+)"/gm,
    /\bimport\(\s*"([^"]+)"\s*\)/g,
    /\bnew Worker\(\s*new URL\(\s*"([^"]+)",\s*import\.meta\.url/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, specifier = ""]) => specifier));
}

export function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
}

/** Path of a relative import, from the same root as `file`. Sources write .js or .ts. */
export function resolveImport(file: string, specifier: string): string {
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, ".ts");
}

/** The modules under a folder, tests left out, as paths from `root` with forward slashes. */
export function modulesOf(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !/\.(test|config|d)\.ts$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll(sep, "/"))
    .sort();
}

export function readModule(root: string, path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** All modules that a page loads from `entry` on, by path, with their imports. */
export function reachableInBrowser(root: string, entry: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const visit = (path: string) => {
    if (found.has(path)) return;
    const imports = importsOf(readModule(root, path));
    found.set(path, imports);
    for (const specifier of imports) {
      if (specifier === "#platform") visit("src/platform/browser.ts");
      else if (specifier.startsWith(".")) visit(resolveImport(path, specifier));
    }
  };
  visit(entry);
  return found;
}

/** Modules that import each other, by whatever detour and types included: each set sorted, the sets in order. */
export function circlesOf(root: string, modules: readonly string[]): string[][] {
  const targets = new Map(modules.map((path) => [path, relativeTargets(root, path, modules)]));
  const reached = new Map(modules.map((path) => [path, reachableFrom(path, targets)]));
  const circles = modules.map((path) => modules.filter((o) => reached.get(path)?.has(o) && reached.get(o)?.has(path)));
  return [...new Map(circles.filter((circle) => circle.length > 1).map((circle) => [circle.join(), circle])).values()];
}

function relativeTargets(root: string, path: string, modules: readonly string[]): string[] {
  const specifiers = importsOf(readModule(root, path), true).filter((specifier) => specifier.startsWith("."));
  return specifiers.map((specifier) => resolveImport(path, specifier)).filter((target) => modules.includes(target));
}

function reachableFrom(start: string, targets: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set<string>();
  const open = [start];
  for (let path = open.pop(); path !== undefined; path = open.pop())
    for (const target of targets.get(path) ?? []) {
      if (!found.has(target)) open.push(target);
      found.add(target);
    }
  return found;
}
