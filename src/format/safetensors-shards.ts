/**
 * A model in several safetensors files (shards), with an index (`model.safetensors.index.json`) from tensors to files.
 * Read as one file, the concatenation of all shards.
 */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { folderOf, inFolder } from "../platform/paths.ts";
import type { ByteSource } from "../platform/platform.ts";
import { isObject, parseObject } from "./json.ts";
import { readSafetensorsHeader, type SafetensorsHeader, type StoredTensor } from "./safetensors-file.ts";
import { readSmallText } from "./source.ts";

/** Bytes; far above any index. */
const longestIndex = 16 << 20;

export interface Shards {
  /** Concatenation of the files. */
  readonly source: ByteSource;
  /** Tensors of all files, with offsets into `source`. */
  readonly header: SafetensorsHeader;
}

/** True for the path of an index. */
export function isShardIndex(path: string): boolean {
  return path.endsWith(".safetensors.index.json");
}

/** Which part of a model a file is by its name, and of how many; undefined for a whole one. */
export function shardOf(name: string): { readonly part: number; readonly count: number } | undefined {
  const [, part, count] = /-(\d{5})-of-(\d{5})\.safetensors$/.exec(name) ?? [];
  return Number(count) > 1 ? { part: Number(part), count: Number(count) } : undefined;
}

/** InputError for one part of a model that is given as the whole. */
export function requireNoShard(name: string): void {
  const shard = shardOf(name);
  if (shard)
    throw new InputError(
      `${name} is part ${shard.part} of a model in ${shard.count} files. Give their index, ` +
        `${name.replace(/-\d{5}-of-\d{5}(?=\.safetensors$)/, "")}.index.json, or their folder.`,
    );
}

/** Paths of the files that an index names, sorted by name. InputError for a damaged index. */
export async function shardFiles(indexPath: string): Promise<string[]> {
  const names = new Set((await readIndex(indexPath)).values());
  return [...names].sort().map((name) => inFolder(folderOf(indexPath), name));
}

/** Opens the files that an index names, in its folder. InputError when one is missing, damaged or contradicts the index. */
export async function openShards(indexPath: string): Promise<Shards> {
  const weightMap = await readIndex(indexPath);
  const folder = indexPath.replace(/[^/\\]*$/, "");
  const parts: Part[] = [];
  const tensors = new Map<string, StoredTensor>();
  try {
    for (const file of [...new Set(weightMap.values())].sort()) {
      const source = await platform.openSource(folder + file);
      const last = parts.at(-1);
      const start = last ? last.start + last.source.size : 0;
      parts.push({ source, start });
      for (const [name, tensor] of (await readSafetensorsHeader(source)).tensors) {
        if (weightMap.get(name) !== file)
          throw new InputError(
            `${source.name} holds the tensor "${name}", which ${indexPath} has ` +
              `${weightMap.has(name) ? `in ${weightMap.get(name)}` : "not"}. Download the model again.`,
          );
        tensors.set(name, { ...tensor, offset: start + tensor.offset });
      }
    }
    for (const [name, file] of weightMap)
      if (!tensors.has(name))
        throw new InputError(`${indexPath}: the tensor "${name}" is not in ${file}. Download the model again.`);
  } catch (error) {
    await closeAll(parts);
    throw error;
  }
  return { source: joined(indexPath, parts), header: { tensors, metadata: {} } };
}

interface Part {
  readonly source: ByteSource;
  readonly start: number;
}

function joined(name: string, parts: readonly Part[]): ByteSource {
  return {
    name,
    size: parts.reduce((sum, { source }) => sum + source.size, 0),
    async read(offset, length) {
      // A tensor lies in one file, so nothing is read across two.
      const part = parts.findLast(({ start }) => start <= offset);
      if (!part) throw new InputError(`${name} names no files.`);
      return part.source.read(offset - part.start, length);
    },
    close: () => closeAll(parts),
  };
}

async function closeAll(parts: readonly Part[]): Promise<void> {
  for (const { source } of parts) await source.close();
}

/** File by tensor. */
async function readIndex(path: string): Promise<Map<string, string>> {
  const advice = `Expected {"weight_map": {tensor: name of a .safetensors file beside it, …}}. Download it again.`;
  const { weight_map: map } = parseObject(path, await readSmallText(path, advice, longestIndex), advice);
  const entries = isObject(map) ? Object.entries(map) : [];
  const good = entries.filter((entry): entry is [string, string] => isFileName(entry[1]));
  if (good.length > 0 && good.length === entries.length) return new Map(good);
  throw new InputError(`${path} is not an index of a model in several files. ${advice}`);
}

function isFileName(value: unknown): value is string {
  return typeof value === "string" && /^[^/\\]+\.safetensors$/.test(value);
}
