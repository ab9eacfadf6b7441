import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { bytes } from "./display/text.ts";

/** Bytes left on the disk that `folder` will be on; infinite where the file system does not tell. */
export async function freeBytes(folder: string): Promise<number> {
  let place = folder;
  while (dirname(place) !== place && (await platform.pathKind(place)) !== "folder") place = dirname(place);
  // Some file systems do not tell, or have no size, as /proc.
  const info = await statfs(place).catch(() => undefined);
  return info && info.blocks > 0 ? info.bavail * info.bsize : Number.POSITIVE_INFINITY;
}

/** InputError when that is too little; `advice` says what else than making room helps. */
export async function requireRoom(folder: string, needed: number, advice: string): Promise<void> {
  const free = await freeBytes(folder);
  if (free < needed)
    throw new InputError(
      `${folder}: ${bytes(needed)} are needed, and the disk has ${bytes(free)} left. Make room, or ${advice}.`,
    );
}
