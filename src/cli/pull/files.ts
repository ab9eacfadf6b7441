/** The files that `llm-ts pull` writes: what lies in their places, and writing those that are missing. */
import { join } from "node:path";
import { platform } from "#platform";
import { UsageError } from "../../errors.ts";
import { readHuggingFaceConfig } from "../../format/huggingface-config.ts";
import { readModel } from "../../format/model.ts";
import { withSource } from "../../format/source.ts";
import { copyOut } from "../../hub/cache.ts";
import { verify } from "../../hub/download.ts";
import type { Plan } from "../../hub/snapshot.ts";
import { sameConfig } from "../../model/config.ts";
import type { Appender } from "../../platform/platform.ts";

/** A file of llm.c's that a model is written as. */
export interface LlmcFile {
  readonly path: string;
  readonly dtype: "f32" | "bf16";
}

/** A file that a pull writes. */
export interface WantedFile {
  readonly path: string;
  readonly bytes: number;
  /** Appends its content. */
  content(out: Appender): Promise<void>;
  write(): Promise<void>;
}

/** The copy of a file of the cache. */
export async function copyOf(cached: string, path: string): Promise<WantedFile> {
  return {
    path,
    bytes: await withSource(cached, ({ size }) => size),
    content: (out) => copyTo(out, cached),
    write: () => copyOut(cached, path),
  };
}

const chunkBytes = 8 << 20;

async function copyTo(out: Appender, path: string): Promise<void> {
  await withSource(path, async (source) => {
    for (let at = 0; at < source.size; at += chunkBytes)
      await out.write(await source.read(at, Math.min(chunkBytes, source.size - at)));
  });
}

/** Of wanted files those that are missing; UsageError where another file has the place of one. With `force` all that differ. */
export async function missingOf(files: readonly WantedFile[], force: boolean): Promise<WantedFile[]> {
  const missing: WantedFile[] = [];
  for (const file of files) {
    const isThere = (await platform.pathKind(file.path)) !== undefined;
    if (isThere && (await holds(file))) continue;
    if (isThere && !force) throw inTheWay(file.path);
    missing.push(file);
  }
  return missing;
}

/** True if a file has the content that is wanted. It is read as far as they agree. */
async function holds({ path, content }: WantedFile): Promise<boolean> {
  return withSource(path, async (source) => {
    let end = 0;
    const compare = async (wanted: Uint8Array) => {
      const start = end;
      end += wanted.length;
      if (end > source.size || Buffer.compare(await source.read(start, wanted.length), wanted) !== 0)
        throw new Differs();
    };
    try {
      await content({ name: path, write: compare });
    } catch (error) {
      if (error instanceof Differs) return false;
      throw error;
    }
    return end === source.size;
  });
}

/** Ends a comparison. */
class Differs extends Error {}

/** UsageError where llm.c's files of a model, of which the config.json alone is there, would replace one of another shape. */
export async function requireNoOther(files: readonly LlmcFile[], { folder }: Plan): Promise<void> {
  const config = await withSource(join(folder, "config.json"), readHuggingFaceConfig);
  for (const { path, dtype } of files) {
    if ((await platform.pathKind(path)) === undefined) continue;
    const found = await withSource(path, readModel).catch(() => undefined);
    if (found?.dtype !== dtype || !sameConfig(found.config, config)) throw inTheWay(path);
  }
}

/** UsageError where copies of a plan's files would replace others, judged by the hashes that the hub has of them. */
export async function requireNoOthers(folder: string, { files }: Plan): Promise<void> {
  for (const file of files) {
    const path = join(folder, file.path);
    if ((await platform.pathKind(path)) === undefined) continue;
    const isSame = (await withSource(path, ({ size }) => size)) === file.size;
    if (!isSame || (await verify(file, path)) !== undefined) throw inTheWay(path);
  }
}

function inTheWay(path: string): UsageError {
  return new UsageError(
    `${path} exists already, and is another file than the one to be written. Write somewhere else (-o), or replace it ` +
      "with --force.",
  );
}
