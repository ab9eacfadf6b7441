import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { withSource } from "../format/source.ts";
import type { ByteSource } from "../platform/platform.ts";

/** InputError where a file at `path` would be lost that is none of those which the command writes. An empty one is none. */
export async function requireReplaceable(
  path: string,
  what: string,
  isOwn: (source: ByteSource) => Promise<boolean>,
): Promise<void> {
  if ((await platform.pathKind(path)) !== "file") return;
  const may = await withSource(path, async (source) => source.size === 0 || (await isOwn(source).catch(() => false)));
  if (!may)
    throw new InputError(`${path} exists already, and is no ${what}: it is not replaced. Write somewhere else.`);
}

export const isSvg = (source: ByteSource) => beginsWith(source, "<svg", "<?xml");

/** True if a file begins with one of these texts. */
export async function beginsWith(source: ByteSource, ...starts: readonly string[]): Promise<boolean> {
  const length = Math.min(source.size, Math.max(...starts.map((start) => start.length)));
  const text = new TextDecoder().decode(await source.read(0, length));
  return starts.some((start) => text.startsWith(start));
}
