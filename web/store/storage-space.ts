/** Size limits of texts, checked before a file is read. */
import type { StorageInfo } from "../engine/protocol.ts";

/** Bytes of text that fit the storage, whose tokens take two bytes each; undefined if the browser reports no quota. */
export function storableTextBytes(storage: StorageInfo | undefined): number | undefined {
  if (storage?.quota === undefined || storage.used === undefined) return undefined;
  return Math.max(0, Math.floor((storage.quota - storage.used) / 2));
}

/** If the files are too large together, the largest of them and the limit, in bytes. */
export function tooLarge(
  files: readonly Pick<File, "name" | "size">[],
  storage: StorageInfo | undefined,
): { readonly name: string; readonly bytes: number; readonly most: number } | undefined {
  const most = storableTextBytes(storage);
  const all = files.reduce((sum, { size }) => sum + size, 0);
  if (most === undefined || all <= most) return undefined;
  const [largest] = files.toSorted((a, b) => b.size - a.size);
  return { name: largest.name, bytes: largest.size, most };
}
