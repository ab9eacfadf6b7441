import { basename, dirname, isAbsolute } from "node:path";
import { platform } from "#platform";
import { adaptedBy, type ModelFile, openModelFile, saveModelFile } from "../../api/model-file.ts";
import { addOnnxReader, onnxFile, saveOnnxFolder } from "../../api/onnx-folder.ts";
import { endsOf, planTokenizer } from "../../data/tokenizer-files.ts";
import { UsageError } from "../../errors.ts";
import { generationConfig, generationConfigFile } from "../../format/generation-config.ts";
import { type GgmlType, ggmlBytes } from "../../format/gguf-file.ts";
import { inMadeFolder, saveText } from "../../format/save.ts";
import { sizeOf } from "../../format/source.ts";
import { parameterCount } from "../../model/parameters.ts";
import { folderOf, inFolder } from "../../platform/paths.ts";
import { ggufRemark } from "../../tokenizer/gguf-vocabulary.ts";
import { requireRoom } from "../disk-space.ts";
import { bytes } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { assumedText, locateModel, remarkOnAdapter, remarkOnAdded } from "../options/model.ts";
import { tokenizerFor } from "../options/tokenizer.ts";
import { type Description, requireNoOtherModel } from "../other-model.ts";
import { print, say } from "../output.ts";
import { suggestion } from "../suggest.ts";
import { watchTensors } from "../watch-tensors.ts";
import { type Format, requireFree, type Target, targetOf, wholeFolder } from "./target.ts";

/** The options of `llm-ts convert`. */
export interface ConvertFlags {
  readonly to?: Format;
  /** The same as `to`. */
  readonly format?: Format;
  readonly dtype?: GgmlType;
  readonly heads?: number;
  readonly adapter?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Writes a model in another format or precision, and prints the files. */
export async function convert(input: string, output: string, flags: ConvertFlags): Promise<void> {
  const interrupt = new Interrupt();
  const from = await locateModel(input);
  await remarkOnAdapter(from);
  if (flags.adapter !== undefined) await remarkOnAdded(flags.adapter, from);
  const target = await targetOf(output, flags.to);
  const base = await openModelFile(from, undefined, flags.heads);
  try {
    const file = flags.adapter === undefined ? base : await adaptedBy(base, flags.adapter);
    requireHeads(from, file, flags.heads);
    await requireFree(target, from, flags.force);
    const was = file.quantized ?? file.dtype;
    const dtype = flags.dtype ?? typeFor(target, file);
    const parameters = parameterCount(file.config);
    requireType(target, dtype);
    await requireRoom(dirname(target.path), ggmlBytes(dtype, parameters), "write to another disk");
    const started = performance.now();
    const remarks: string[] = [];
    const files = await write(target, from, file, dtype, flags.force ?? false, (text) => remarks.push(text));
    const seconds = (performance.now() - started) / 1000;
    interrupt.dispose();
    for (const remark of remarks) say(remark);
    if (flags.json) return await print(`${JSON.stringify({ from, files, dtype, was, parameters, seconds })}\n`);
    for (const path of files) await print(`${path}  ${bytes(await sizeOf(path))}\n`);
    const moved = file.bytes + (await sizeOf(target.model));
    say(
      `${from}, ${was} to ${dtype}: ${bytes(moved)} read and written in ${seconds.toFixed(1)} s, ` +
        `${bytes(moved / seconds)}/s${howToWrite(target, files)}`,
    );
  } finally {
    await base.close();
  }
}

/** What to do with the result; nothing for transformers.js without the tokenizer that its pipeline needs. */
function howToWrite({ kind, path }: Target, files: readonly string[]): string {
  if (kind !== "onnx") return `\n\nwrite with this model:\n  ${suggestion("generate", "--model", path)}`;
  if (!files.some((file) => basename(file) === "tokenizer.json")) return "";
  // A bare name would be one of the hub's.
  const place = isAbsolute(path) || path.startsWith(".") ? path : `./${path}`;
  return `\n\nwrite with this model, by transformers.js:\n  pipeline("text-generation", ${JSON.stringify(place)})`;
}

/** UsageError where --heads contradicts the model's files; a remark where the number of heads is assumed. */
function requireHeads(from: string, { config, assumed }: ModelFile, heads: number | undefined): void {
  if (heads !== undefined && heads !== config.NH)
    throw new UsageError(
      `${from} has ${config.NH} attention heads by its own files, and --heads says ${heads}. Leave it out.`,
    );
  if (assumed.includes("n_head")) say(assumedText(from, config));
}

/** The type that is written by default: the file's own where the target's format has it, else float32. */
function typeFor({ kind }: Target, { dtype, quantized }: ModelFile): GgmlType {
  if (kind === "gguf") return quantized ?? dtype;
  if (kind === "onnx") return "f32";
  return kind === "bin" && dtype === "f16" ? "f32" : dtype;
}

/** UsageError for a type that the target's format lacks, before anything is written. */
function requireType({ kind, path }: Target, dtype: GgmlType): void {
  if (kind === "onnx" && dtype !== "f32")
    throw new UsageError(`ONNX is written in f32 alone, not in ${dtype}. Leave --dtype out.`);
  if (dtype === "q8_0" && kind !== "gguf")
    throw new UsageError(`${path}: q8_0 is a type of GGUF alone. Name the file NAME.gguf, or choose bf16.`);
}

/**
 * UsageError where another model in the folder would get this one's config.json and tokenizer. A single file replaces them
 * by force.
 */
async function requireDescribed({ kind, path }: Target, own: Description, replace: boolean): Promise<void> {
  if (kind === "onnx") await requireNoOtherModel(path, [onnxFile], own);
  if (kind === "folder") await requireNoOtherModel(path, ["model.safetensors", "model.safetensors.index.json"], own);
  if (kind === "safetensors" && replace) await requireNoOtherModel(dirname(path), [basename(path)], own);
}

/** Gives the paths of the files written. */
async function write(
  target: Target,
  from: string,
  file: ModelFile,
  dtype: GgmlType,
  replace: boolean,
  remark: (text: string) => void,
): Promise<string[]> {
  const tokenizer = await tokenizerFor(from, file.config.V, remark);
  const endTokens = file.endTokens ?? endsOf(tokenizer);
  if (target.kind === "gguf") {
    const about = ggufRemark(tokenizer, endTokens);
    if (about !== undefined) remark(about);
  }
  await requireDescribed(target, { config: file.config, tokenizer }, replace);
  const saveModel = (path: string) =>
    watchTensors(file, dtype, target.model, (model) =>
      saveModelFile(path, model, { dtype, assumed: file.assumed, tokenizer, endTokens, replace }),
    );
  if (target.kind !== "folder" && target.kind !== "onnx")
    return inMadeFolder(folderOf(target.path), () => saveModel(target.path));
  const { V, maxT } = file.config;
  const set = { tokenizer, reader: { maxT }, V, endTokens };
  const beside = await planTokenizer(target.path, set, ["model.safetensors"], replace ? "all" : "none");
  if (target.kind === "onnx" && !beside.names.includes("tokenizer.json"))
    remark(
      "transformers.js encodes text with a tokenizer.json, and this model's tokenizer has none: give it token ids.",
    );
  const files = await wholeFolder(target.path, async (folder) => {
    if (target.kind === "onnx")
      await watchTensors(file, dtype, target.model, (model) => saveOnnxFolder(folder, model, set));
    else {
      await saveModel(inFolder(folder, "model.safetensors"));
      if ((await platform.pathKind(inFolder(target.path, onnxFile))) === "file") await addOnnxReader(folder);
    }
    await saveText(inFolder(folder, generationConfigFile), generationConfig(endTokens));
  });
  await beside.removeOthers(files.map((path) => basename(path)));
  return files;
}
