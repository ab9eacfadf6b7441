import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { makeFolder } from "./node-folders.ts";
import { requireFile } from "./node-kinds.ts";
import { removeLeftovers, temporaryFor } from "./node-temporary.ts";

/** Folder for files that can be recreated: LLM_TS_CACHE, else the system's usual cache folder. */
export function cacheFolder(): string {
  const { LLM_TS_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (LLM_TS_CACHE) return LLM_TS_CACHE;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, "llm-ts");
  if (process.platform === "win32") return join(LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "llm-ts");
  return join(homedir(), process.platform === "darwin" ? "Library/Caches" : ".cache", "llm-ts");
}

export async function recall(name: string): Promise<string | undefined> {
  const file = cacheFile(name);
  return requireFile(file)
    .then(() => readFile(file, "utf8"))
    .catch(() => undefined);
}

export async function remember(name: string, text: string): Promise<void> {
  const file = cacheFile(name);
  const temporary = temporaryFor(file);
  try {
    await makeFolder(cacheFolder());
    await removeLeftovers(file);
    await writeFile(temporary, text);
    await rename(temporary, file);
  } catch {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

function cacheFile(name: string): string {
  return join(cacheFolder(), `${name}.json`);
}
