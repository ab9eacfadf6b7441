import { platform } from "#platform";
import { InputError, UsageError } from "../errors.ts";
import { withSource } from "../format/source.ts";
import { inFolder } from "../platform/paths.ts";
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

/** UsageError for the folder of a training run, where a model's config.json would replace that of the run. */
export async function requireNoRun(folder: string): Promise<void> {
  if ((await platform.pathKind(inFolder(folder, "metrics.jsonl"))) !== undefined)
    throw new UsageError(
      `${folder} is the folder of a training run, with a config.json of its own. Write somewhere else.`,
    );
}

/** `requireReplaceable` for a picture in SVG. UsageError for the name of one in another format. */
export async function requirePicture(path: string): Promise<void> {
  const [ending] = /\.(png|jpe?g|gif|webp|avif|bmp|tiff?|pdf|e?ps)$/i.exec(path) ?? [];
  if (ending !== undefined)
    throw new UsageError(
      `${path}: llm-ts draws SVG, which browsers show. Name the picture ${path.slice(0, -ending.length)}.svg.`,
    );
  await requireReplaceable(path, "picture", isSvg);
}

const isSvg = (source: ByteSource) => beginsWith(source, "<svg", "<?xml");

/** True if a file begins with one of these texts. */
export async function beginsWith(source: ByteSource, ...starts: readonly string[]): Promise<boolean> {
  const length = Math.min(source.size, Math.max(...starts.map((start) => start.length)));
  const text = new TextDecoder().decode(await source.read(0, length));
  return starts.some((start) => text.startsWith(start));
}
