import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";

/** Everything that a module's text imports when it runs: types are gone by then. */
export function importsOf(source: string): string[] {
  const code = withoutComments(source);
  const patterns = [
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

/** Where a relative import leads, as a path from the same root that `file` is named from. Sources say .js or .ts. */
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

/** Everything that a page loads, from `entry` on: each module's path with what it imports. */
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
