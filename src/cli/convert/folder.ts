/** A folder that appears when all its files are whole. */
import { rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { platform } from "#platform";
import { removeLeftovers, temporaryFor } from "../../platform/node-temporary.ts";

/**
 * `fill` writes into a hidden folder beside `path`, which then gets that name. Where a folder is there already, its other
 * files stay, and those written take the place of theirs. Gives the paths of all files.
 */
export async function wholeFolder(path: string, fill: (folder: string) => Promise<void>): Promise<string[]> {
  const target = resolve(path);
  await removeLeftovers(target);
  const temporary = temporaryFor(target);
  const remove = () => rmSync(temporary, { recursive: true, force: true });
  process.once("exit", remove);
  try {
    await platform.makeFolder(temporary);
    await fill(temporary);
    const names = (await readdir(temporary)).sort();
    if ((await platform.pathKind(target)) === undefined) await platform.renameFile(temporary, target);
    else for (const name of names) await platform.renameFile(join(temporary, name), join(target, name));
    return names.map((name) => join(path, name));
  } finally {
    process.off("exit", remove);
    remove();
  }
}
