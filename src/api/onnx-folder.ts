/** A folder that transformers.js loads: onnx/model.onnx, config.json and the tokenizer. */
import { platform } from "#platform";
import { planTokenizer, type TokenizerSet } from "../data/tokenizer-files.ts";
import { huggingFaceConfig } from "../format/huggingface-config.ts";
import { parseObject } from "../format/json.ts";
import { writeOnnx } from "../format/onnx.ts";
import { save, saveText } from "../format/save.ts";
import { readSmallText } from "../format/source.ts";
import type { TensorStream } from "../format/tensors.ts";
import { inFolder } from "../platform/paths.ts";

/** The model's file in the folder. */
export const onnxFile = "onnx/model.onnx";

/** Writes a model into an empty folder. UsageError where ONNX or transformers.js cannot hold it. */
export async function saveOnnxFolder(folder: string, model: TensorStream, set: TokenizerSet): Promise<void> {
  await platform.makeFolder(inFolder(folder, "onnx"));
  await save(inFolder(folder, onnxFile), (sink) => writeOnnx(sink, model));
  await saveConfig(folder, huggingFaceConfig(model.config, { endTokens: set.endTokens }));
  await (await planTokenizer(folder, set, [], "none")).write();
}

/** Completes the config.json of a folder's other model for transformers.js. */
export async function addOnnxReader(folder: string): Promise<void> {
  const path = inFolder(folder, "config.json");
  await saveConfig(folder, parseObject(path, await readSmallText(path), "Write the model again."));
}

/** Without its own field, a page asks for onnx/model_quantized.onnx. */
async function saveConfig(folder: string, config: Record<string, unknown>): Promise<void> {
  const all = { ...config, "transformers.js_config": { dtype: "fp32" } };
  await saveText(inFolder(folder, "config.json"), `${JSON.stringify(all, null, 2)}\n`);
}
