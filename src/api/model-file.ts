import { platform } from "#platform";
import { folderOf, inFolder } from "../data/dataset.ts";
import { UsageError } from "../errors.ts";
import { formatOfMagic } from "../format/header.ts";
import { huggingFaceConfig, readHuggingFaceConfig } from "../format/huggingface-config.ts";
import { readModelHeader, readModelTensors, writeModel } from "../format/model.ts";
import { readSafetensors, readSafetensorsModel, writeSafetensors } from "../format/safetensors.ts";
import { readSafetensorsHeader, type SafetensorsHeader } from "../format/safetensors-file.ts";
import { openShards } from "../format/safetensors-shards.ts";
import { save } from "../format/save.ts";
import type { OnChunk, ReadChunk } from "../format/tensors.ts";
import type { GPT2Config } from "../model/config.ts";
import type { ByteSource } from "../platform/platform.ts";

/** A model file whose header was read and checked; its tensors come in chunks. */
export interface ModelFile {
  readonly config: GPT2Config;
  /** Hands over every element of every tensor once, in llm.c's order. */
  readTensors(onChunk: OnChunk): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens llm.c's .bin or a safetensors file, told apart by their first bytes, or the index of a model in several
 * safetensors files. InputError when it is none of these.
 */
export async function openModelFile(input: string | URL | Blob | Uint8Array): Promise<ModelFile> {
  const path = typeof input === "string" ? input : undefined;
  const shards = path?.endsWith(".safetensors.index.json") ? await openShards(path) : undefined;
  const source = shards?.source ?? (await platform.openSource(input));
  const close = () => source.close();
  try {
    if (shards || (await isSafetensors(source))) {
      const header = shards?.header ?? (await readSafetensorsHeader(source));
      const model = await readSafetensorsModel(source, await configBeside(header, path), header);
      return { config: model.config, readTensors: (onChunk) => readSafetensors(source, model, onChunk), close };
    }
    const header = await readModelHeader(source);
    return { config: header.config, readTensors: (onChunk) => readModelTensors(source, header, onChunk), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function isSafetensors(source: ByteSource): Promise<boolean> {
  if (source.size < 9) return source.name.endsWith(".safetensors");
  const start = await source.read(0, 9);
  const magic = new DataView(start.buffer, start.byteOffset).getInt32(0, true);
  return formatOfMagic(magic) === undefined && (start[8] === 0x7b || source.name.endsWith(".safetensors"));
}

/** What config.json says about a downloaded model. Files that llm-ts wrote need none, and may lie beside a run's. */
async function configBeside(
  { metadata }: SafetensorsHeader,
  path: string | undefined,
): Promise<GPT2Config | undefined> {
  if (path === undefined || metadata.n_head !== undefined) return undefined;
  const file = inFolder(folderOf(path), "config.json");
  if ((await platform.pathKind(file)) !== "file") return undefined;
  const config = await platform.openSource(file);
  try {
    return await readHuggingFaceConfig(config);
  } finally {
    await config.close();
  }
}

/**
 * Writes a model whole or not at all, as the path's ending says: .bin in llm.c's version 3, or .safetensors, with the
 * config.json that transformers wants beside it where there is none yet.
 */
export async function saveModelFile(
  path: string,
  config: GPT2Config,
  readChunk: ReadChunk,
  endOfText?: number,
): Promise<void> {
  if (path.endsWith(".bin")) return save(path, (sink) => writeModel(sink, config, readChunk));
  if (!path.endsWith(".safetensors"))
    throw new UsageError(`${path}: a model is saved as .bin or .safetensors. Give the file one of these endings.`);
  await save(path, (sink) => writeSafetensors(sink, config, readChunk));
  const configPath = inFolder(folderOf(path), "config.json");
  if (await platform.pathKind(configPath)) return;
  const json = JSON.stringify(huggingFaceConfig(config, endOfText), null, 2);
  await save(configPath, (sink) => sink.write(new TextEncoder().encode(`${json}\n`)));
}
