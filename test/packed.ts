/** The package of `npm pack`, installed in an empty project. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cli, root } from "./nodes.ts";

export interface Installed {
  /** The paths in the package. */
  readonly packed: readonly string[];
  /** npm's output while it installed the package. */
  readonly output: string;
}

/** Packs the library, and installs it and other packages in a new folder. */
export function installPacked(folder: string, ...others: readonly string[]): Installed {
  if (!existsSync(cli))
    throw new Error("There is no dist/ to pack. Run `npm run build` first, or all with `npm test`.");
  mkdirSync(folder);
  // Without scripts: `prepack` would build again, under the feet of the other tests.
  const { stdout: report } = npm(root, "pack", "--ignore-scripts", "--json", "--pack-destination", folder);
  const [pack] = Object.values<{ files: { path: string }[] }>(JSON.parse(report));
  const [tarball = ""] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  const options = ["--prefer-offline", "--no-audit", "--no-fund"];
  const { stdout, stderr } = npm(folder, "install", ...options, join(folder, tarball), ...others);
  return { packed: pack?.files.map(({ path }) => path) ?? [], output: stdout + stderr };
}

/** npm is a script on Windows, which only a shell can start. */
function npm(folder: string, ...args: string[]): { stdout: string; stderr: string } {
  const shell = process.platform === "win32";
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd: folder, encoding: "utf8", shell });
  if (status !== 0) throw new Error(`npm ${args[0]}: ${stderr}`);
  return { stdout, stderr };
}
