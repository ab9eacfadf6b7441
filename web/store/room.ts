/** How large files may be, so that this is said before one is read. */
import type { StorageInfo } from "../engine/protocol.ts";

/** Bytes of texts there is room for, where the browser tells: their tokens, two bytes each, are kept. */
export function roomFor(storage: StorageInfo | undefined): number | undefined {
  if (storage?.quota === undefined || storage.used === undefined) return undefined;
  return Math.max(0, Math.floor((storage.quota - storage.used) / 2));
}

/** The largest of files that are too large together, with the sizes to be told. */
export function tooLarge(
  files: readonly Pick<File, "name" | "size">[],
  storage: StorageInfo | undefined,
): { readonly name: string; readonly bytes: number; readonly most: number } | undefined {
  const most = roomFor(storage);
  const all = files.reduce((sum, { size }) => sum + size, 0);
  if (most === undefined || all <= most) return undefined;
  const [largest] = files.toSorted((a, b) => b.size - a.size);
  return { name: largest.name, bytes: largest.size, most };
}
