import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { bytes } from "./display/text.ts";

/** Bytes left on the disk that `folder` will be on; infinite where the file system reports no size. */
export async function freeBytes(folder: string): Promise<number> {
  let existing = folder;
  while (dirname(existing) !== existing && (await platform.pathKind(existing)) !== "folder")
    existing = dirname(existing);
  // Some file systems, such as /proc, have no size.
  const info = await statfs(existing).catch(() => undefined);
  return info && info.blocks > 0 ? info.bavail * info.bsize : Number.POSITIVE_INFINITY;
}

/** InputError when the disk has less than `needed` bytes left; `advice`: the alternative to freeing space. */
export async function requireRoom(folder: string, needed: number, advice: string): Promise<void> {
  const free = await freeBytes(folder);
  if (free < needed)
    throw new InputError(
      `${folder}: ${bytes(needed)} are needed, and the disk has ${bytes(free)} left. Make room, or ${advice}.`,
    );
}
