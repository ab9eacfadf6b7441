/** A folder that transformers.js loads: onnx/model.onnx, config.json and the tokenizer. */
import { platform } from "#platform";
import { planTokenizer, type TokenizerSet } from "../data/tokenizer-files.ts";
import { huggingFaceConfig } from "../format/huggingface-config.ts";
import { writeOnnx } from "../format/onnx.ts";
import { save, saveText } from "../format/save.ts";
import type { TensorStream } from "../format/tensors.ts";
import { inFolder } from "../platform/paths.ts";

/** The model's file in the folder. */
export const onnxFile = "onnx/model.onnx";

/** Writes a model into an empty folder. UsageError where ONNX or transformers.js cannot hold it. */
export async function saveOnnxFolder(folder: string, model: TensorStream, set: TokenizerSet): Promise<void> {
  await platform.makeFolder(inFolder(folder, "onnx"));
  await save(inFolder(folder, onnxFile), (sink) => writeOnnx(sink, model));
  // Without it, a page asks for onnx/model_quantized.onnx.
  const reader = { "transformers.js_config": { dtype: "fp32" } };
  const config = { ...huggingFaceConfig(model.config, { endTokens: set.endTokens }), ...reader };
  await saveText(inFolder(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  await (await planTokenizer(folder, set, [], "none")).write();
}
