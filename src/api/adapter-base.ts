/**
 * The model that an adapter adapts: what an adapter and its run record of it, where it is now, and whether it is the same still.
 */
import { platform } from "#platform";
import { type Fingerprint, fingerprint, fingerprints } from "../data/fingerprint.ts";
import { InputError } from "../errors.ts";
import { adapterFiles } from "../format/adapter.ts";
import { isObject, parseObject } from "../format/json.ts";
import { readSafetensorsHeader } from "../format/safetensors-file.ts";
import { isShardIndex, shardFiles } from "../format/safetensors-shards.ts";
import type { FileHash } from "../format/save.ts";
import { readSmallText, withSource } from "../format/source.ts";
import { type AdaptedFile, adaptedFile } from "../format/trained-adapter.ts";
import { folderOf, inFolder, nameOf } from "../platform/paths.ts";
import { quoted } from "../platform/quoted.ts";

/** The model that an adapter adapts. */
export interface BaseModel {
  /** By which transformers finds it: a name of the hub's, or a path. */
  readonly name: string;
  /** Path of its file, absolute where the adapter is to be used from other folders. */
  readonly path: string;
}

/** With its fingerprint: size and sha256. */
export interface BaseRecord extends BaseModel, FileHash {}

/** Size and sha256 of a model's file, see `fingerprint`; of an index, of all the files that it names. */
export async function modelFingerprint(path: string): Promise<Fingerprint> {
  if (!isShardIndex(path)) return fingerprint(path);
  const files = await fingerprints([path, ...(await shardFiles(path))]);
  const hash = await platform.sha256();
  hash.update(new TextEncoder().encode(files.map(({ sha256 }) => sha256).join("\n")));
  return { path, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), sha256: hash.digest() };
}

/** A base by its path, with its fingerprint; or by its name on the hub. */
export async function knownBase(base: string): Promise<BaseModel & Partial<FileHash>> {
  const isFile = (await platform.pathKind(base)) === "file";
  return { ...(isFile && (await modelFingerprint(base))), name: base, path: base };
}

export function isBase(value: unknown): value is BaseRecord {
  if (!isObject(value)) return false;
  const { name, path, bytes, sha256 } = value;
  return [name, path, sha256].every((text) => typeof text === "string") && typeof bytes === "number";
}

/**
 * What is recorded of the base of an adapter, by the path of its weights: in their metadata, or, where the run has found it
 * somewhere else since then, in the run's config.json. Undefined where neither names one.
 */
export async function baseOfAdapter(weights: string): Promise<AdaptedFile | undefined> {
  const base = adaptedFile((await withSource(weights, readSafetensorsHeader)).metadata);
  const inRun = base && (await baseInRun(folderOf(folderOf(weights))));
  const isMoved = inRun?.sha256 === base?.sha256 && inRun && (await platform.pathKind(inRun.path)) === "file";
  return isMoved ? { ...base, path: inRun.path } : base;
}

/** The base in the config.json of a run folder; undefined in any other folder, and in one that cannot be read. */
async function baseInRun(folder: string): Promise<BaseRecord | undefined> {
  const path = inFolder(folder, "config.json");
  if ((await platform.pathKind(path)) !== "file") return undefined;
  const content = await readSmallText(path)
    .then((text) => parseObject(path, text, ""))
    .catch(() => undefined);
  return isBase(content?.base) ? content.base : undefined;
}

/** Path of the model that an adapter adapts. InputError for an adapter that does not say it, and a model that is gone. */
export async function modelOfAdapter(weights: string): Promise<string> {
  const base = await baseOfAdapter(weights);
  if (base === undefined)
    throw new InputError(
      `${weights} is a LoRA adapter that does not say where its model is. Write both as one, and give that: ${asOne(weights)}`,
    );
  if ((await platform.pathKind(base.path)) === "file") return base.path;
  throw new InputError(
    `${weights} is an adapter of ${base.path}, which is not there. Put that model back, or write both as one, from where it is now: ` +
      asOne(weights),
  );
}

/** InputError where the model at `path` is not what the adapter was trained on. Adapters without a fingerprint fit any model. */
export async function requireBaseOf(weights: string, path: string): Promise<void> {
  const difference = await differenceFromBase(weights, path);
  if (difference === undefined) return;
  throw new InputError(
    `${path} is not the model that ${weights} was trained on: ${difference}. Put that model back, or write both as one, from where it ` +
      `is now: ${asOne(weights)}`,
  );
}

/** Difference of the model at `path` from what an adapter was trained on, in words; undefined for the same, or without a fingerprint. */
export async function differenceFromBase(weights: string, path: string): Promise<string | undefined> {
  const { bytes, sha256 } = (await baseOfAdapter(weights)) ?? {};
  if (bytes === undefined || sha256 === undefined) return undefined;
  return differenceOf(await modelFingerprint(path), { bytes, sha256 });
}

/** Difference between two files in words; undefined for the same content. */
export function differenceOf(found: FileHash, expected: FileHash): string | undefined {
  if (found.bytes === expected.bytes && found.sha256 === expected.sha256) return undefined;
  const inWords = ({ bytes, sha256 }: FileHash) => `${bytes} bytes with sha256 ${sha256.slice(0, 12)}…`;
  return `it has ${inWords(found)}, expected ${inWords(expected)}`;
}

const asOne = (weights: string) => `llm-ts convert MODEL merged --adapter ${quoted(folderOf(weights))}`;

export const whatAdaptersAre =
  `An adapter is a folder with ${Object.values(adapterFiles).join(" and ")}, as PEFT writes it, or the folder of a run that ` +
  "trained one, which stands for its newest.";

/** The newest adapter of a run; undefined where its folder has none. */
export async function newestAdapter(run: string): Promise<string | undefined> {
  // Eight digits each, so the last name is the newest; a copy by another name is none of the run's.
  const found = await platform.listFiles(`adapter_????????/${adapterFiles.weights}`, run);
  return found.filter((path) => /adapter_\d{8}$/.test(folderOf(path))).at(-1);
}

/** True for a folder in PEFT's layout. */
export async function holdsAdapter(folder: string): Promise<boolean> {
  return (await platform.pathKind(inFolder(folder, adapterFiles.config))) === "file";
}

/**
 * The weights of the adapter that a path means: a folder in PEFT's layout, the file in it, or a run folder, of which it is the newest.
 * InputError for anything else.
 */
export async function adapterWeights(path: string): Promise<string> {
  const kind = await platform.pathKind(path);
  if (kind === "file" && nameOf(path) === adapterFiles.weights) return path;
  if (await holdsAdapter(path)) return inFolder(path, adapterFiles.weights);
  const newest = kind === "folder" ? await newestAdapter(path) : undefined;
  if (newest !== undefined) return newest;
  throw new InputError(`${inFolder(path, adapterFiles.config)} is not there. ${whatAdaptersAre}`);
}
