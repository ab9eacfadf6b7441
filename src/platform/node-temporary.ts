/**
 * Hidden files and folders that are being written and get their name at the end: `.NAME.OWNER.RANDOM.tmp` beside what
 * they will be. The owner, a process, is in the name, so that leftovers of a killed process can be recognised and removed.
 */
import { createHash, randomBytes } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { lookAt, thisProcess } from "./node-process.ts";

/** Age after which an unmodified temporary file of an owner on another machine counts as abandoned. */
const forgottenMs = 24 * 3600 * 1000;

/** A new hidden name beside `target`. */
export function temporaryFor(target: string): string {
  const random = randomBytes(4).toString("hex");
  return join(dirname(target), `.${basename(target)}.${ownerTag()}.${random}.tmp`);
}

/** Removes what processes that are gone have left of earlier attempts at `target`. */
export async function removeLeftovers(target: string): Promise<void> {
  const folder = dirname(target);
  const start = `.${basename(target)}.`;
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(start) || !name.endsWith(".tmp")) continue;
    const path = join(folder, name);
    if (await isLeft(path, name.slice(start.length))) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/** True if a temporary file's owner is gone; `ending` is its name after that of its target. */
async function isLeft(path: string, ending: string): Promise<boolean> {
  const [, pid, place, started] = /^(\d+)-([0-9a-f]{8})-(\d*)\.[0-9a-f]{8}\.tmp$/.exec(ending) ?? [];
  // Older versions named no owner.
  if (pid === undefined && !/^[0-9a-f]{8}\.tmp$/.test(ending)) return false;
  const here = thisProcess();
  if (pid !== undefined && place === placeTag(here)) {
    const boot = here.process?.split(" ")[0];
    const sight = lookAt({ ...here, pid: Number(pid), process: boot && started ? `${boot} ${started}` : undefined });
    if (sight === "lives" || sight === "gone") return sight === "gone";
  }
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > forgottenMs;
}

/** Process id, a hash of where that means something, and the start time where it is known. */
function ownerTag(): string {
  const here = thisProcess();
  return `${here.pid}-${placeTag(here)}-${here.process?.split(" ")[1] ?? ""}`;
}

function placeTag({ host, namespace = "" }: { readonly host: string; readonly namespace?: string }): string {
  return createHash("sha256").update(`${host} ${namespace}`).digest("hex").slice(0, 8);
}
