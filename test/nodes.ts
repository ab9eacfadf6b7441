import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const dist = join(root, "dist");
export const cli = join(dist, "cli", "main.js");

export interface NodeProgram {
  readonly path: string;
  /** As "v20.20.2". */
  readonly version: string;
}

const name = process.platform === "win32" ? "node.exe" : "node";

/** Folder of the Node versions that .ci/run installs besides the pinned one. */
const others = join(root, ".ci", "nodes");

/**
 * The Node that runs this test, and those of other major versions on this machine: the pinned one, those of .ci/nodes,
 * and the one that was installed. npm puts the pinned one first in the PATH of its scripts, so it is the last that has
 * to be looked for.
 */
export function nodePrograms(): NodeProgram[] {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  const found = [{ path: process.execPath, version: process.version }];
  for (const path of [
    join(root, "node_modules", "node", "bin", name),
    ...Object.keys(wantedNodes()).map((alias) => join(others, "node_modules", alias, "bin", name)),
    ...folders.map((folder) => join(folder, name)),
  ]) {
    if (!existsSync(path)) continue;
    const version = versionOf(path);
    const major = version?.split(".")[0];
    if (version && !found.some((other) => other.version.split(".")[0] === major)) found.push({ path, version });
  }
  return found;
}

/** The Nodes of .ci/nodes/package.json, as "node20": "npm:node@20.20.2". */
function wantedNodes(): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(join(others, "package.json"), "utf8")).dependencies;
}

function versionOf(path: string): string | undefined {
  try {
    return execFileSync(path, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}

/** An environment in which `node` means this Node, for the shims that npm installs. */
export function environmentOf({ path }: NodeProgram): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${dirname(path)}${delimiter}${process.env.PATH ?? ""}` };
}

/** Reported once: versions that are not tested here. */
export function sayMissing(programs: readonly NodeProgram[]): void {
  const missing = Object.values(wantedNodes())
    .map((wanted) => wanted.replace("npm:node@", "v"))
    .filter((wanted) => !programs.some(({ version }) => version.split(".")[0] === wanted.split(".")[0]));
  if (missing.length > 0) console.info(`Not tried on ${missing.join(", ")}: npm ci --prefix .ci/nodes installs them.`);
}
