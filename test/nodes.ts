import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
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

/**
 * The Node that runs this test, and those of other major versions on this machine: the pinned one and the one that was
 * installed. npm puts the pinned one first in the PATH of its scripts, so it is the second that has to be looked for.
 */
export function nodePrograms(): NodeProgram[] {
  const name = process.platform === "win32" ? "node.exe" : "node";
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  const found = [{ path: process.execPath, version: process.version }];
  for (const path of [
    join(root, "node_modules", "node", "bin", name),
    ...folders.map((folder) => join(folder, name)),
  ]) {
    if (!existsSync(path)) continue;
    const version = versionOf(path);
    const major = version?.split(".")[0];
    if (version && !found.some((other) => other.version.split(".")[0] === major)) found.push({ path, version });
  }
  return found;
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

/** Said once, since a test that is skipped should say why. */
export function sayIfAlone(programs: readonly NodeProgram[]): void {
  if (programs.length === 1)
    console.info(`Only one Node here, ${programs[0]?.version}: nothing is compared with another version.`);
}
