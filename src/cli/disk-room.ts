import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { bytes } from "./display/text.ts";

/** InputError when the disk that `folder` will be on has too little room. */
export async function requireRoom(folder: string, needed: number): Promise<void> {
  let place = folder;
  while (dirname(place) !== place && (await platform.pathKind(place)) !== "folder") place = dirname(place);
  // Some file systems do not tell, or have no size, as /proc.
  const info = await statfs(place).catch(() => undefined);
  const free = info && info.blocks > 0 ? info.bavail * info.bsize : Number.POSITIVE_INFINITY;
  if (free < needed)
    throw new InputError(
      `${folder}: ${bytes(needed)} are needed, and the disk has ${bytes(free)} left. Make room, or use another disk ` +
        "(HF_HOME moves the cache, -o what is written).",
    );
}
