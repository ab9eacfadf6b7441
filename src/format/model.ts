/**
 * llm.c's model checkpoints, `gpt2_124M.bin` and the like (train_gpt2.py's `write_model`).
 *
 * Header: [0] 20240326, [1] version, [2] maxT, [3] V, [4] L, [5] NH, [6] C, [7] Vp. Then the tensors.
 * - version 1: float32, wte has V rows and the header no Vp (April 2024).
 * - version 3: float32, wte has Vp rows: V rounded up to a multiple of 128, the padding zero.
 * - version 5: as 3, in bfloat16.
 */
import { InputError, UsageError } from "../errors.ts";
import { configProblem, departures, type GPT2Config, usualConfig } from "../model/config.ts";
import type { Appender, ByteSource } from "../platform/platform.ts";
import { checkSize, fieldError, headerBytes, magic, makeHeader, readHeaderOf } from "./header.ts";
import { readTensors, type TensorLayout, type TensorStream, tensorBytes, writeTensors } from "./tensors.ts";

/** For version 1, Vp is V rounded up, and wte is read with zero rows added. */
export interface LlmcModel extends TensorStream {
  readonly version: 1 | 3 | 5;
  readonly dtype: "f32" | "bf16";
}

const layouts: Record<LlmcModel["version"], TensorLayout> = {
  1: { dtype: "f32", padded: false },
  3: { dtype: "f32", padded: true },
  5: { dtype: "bf16", padded: true },
};

function isVersion(version: number): version is LlmcModel["version"] {
  return Object.hasOwn(layouts, version);
}

/**
 * The model of a file, whose header is read and checked, and the file's length against it; its tensors are read in chunks of at
 * most 8 MB. InputError says what is wrong, and where.
 */
export async function readModel(source: ByteSource): Promise<LlmcModel> {
  const header = await readHeaderOf(source, "model");
  const version = header[1];
  if (!isVersion(version))
    throw fieldError(
      source,
      header,
      1,
      "version",
      "1 (float32, unpadded), 3 (float32) or 5 (bfloat16)",
      "Write the checkpoint again, as one of these.",
    );
  const layout = layouts[version];
  const [, , maxT, V, L, NH, C] = header;
  const usual = usualConfig({ V, C });
  const config: GPT2Config = { ...usual, Vp: layout.padded ? header[7] : usual.Vp, maxT, V, L, NH, C };
  const problem = configProblem(config);
  if (problem)
    throw new InputError(
      `${source.name}: the header describes no model: ${problem}. Its fields [2] to [7] (bytes 8 to 31) are ` +
        `maxT ${maxT}, V ${V}, L ${L}, NH ${NH}, C ${C}, Vp ${header[7]}. The file is damaged: copy or write it again.`,
    );
  const why = `a version ${version} checkpoint of V ${V}, L ${L}, C ${C}`;
  checkSize(source, headerBytes + tensorBytes(config, layout), why);
  return {
    version,
    config,
    dtype: layout.dtype,
    readTensors: (onChunk) => readTensors(source, headerBytes, config, layout, onChunk),
  };
}

/** Reason for which llm.c's format cannot hold a model, in words; undefined when it can. */
export function modelFormatProblem(config: GPT2Config): string | undefined {
  const architecture = architectureProblem(config);
  if (architecture) return architecture;
  if (config.hidden !== 4 * config.C)
    return `its MLP has ${config.hidden} hidden channels, llm.c's format knows only 4C = ${4 * config.C}`;
  if (config.epsilon !== 1e-5) return `its layernorm epsilon is ${config.epsilon}, llm.c's format knows only 0.00001`;
  if (config.gelu !== "tanh") return `its GELU is the ${config.gelu} form, llm.c's format knows only tanh`;
  return undefined;
}

/** Reason for which no file of llm.c's can be of a model whose architecture is not GPT-2's; undefined for a GPT-2. */
export function architectureProblem(config: GPT2Config): string | undefined {
  const [departure] = Object.entries(departures(config));
  return departure && `its ${departure.join(" is ")}, which llm.c's formats do not know`;
}

/**
 * Writes a checkpoint of version 3 (f32) or 5 (bf16); the caller commits. Only a chunk is in memory at a time. UsageError
 * where the format would lose something.
 */
export async function writeModel(sink: Appender, model: TensorStream, dtype: "f32" | "bf16" = "f32"): Promise<void> {
  await writeModelHeader(sink, model.config, dtype);
  await writeTensors(sink, model, dtype);
}

async function writeModelHeader(sink: Appender, config: GPT2Config, dtype: "f32" | "bf16"): Promise<void> {
  const problem = modelFormatProblem(config);
  if (problem)
    throw new UsageError(`${sink.name}: this model does not fit a .bin: ${problem}. Save it as .safetensors.`);
  const { maxT, V, Vp, L, NH, C } = config;
  const version = dtype === "f32" ? 3 : 5;
  await sink.write(makeHeader({ 0: magic.model, 1: version, 2: maxT, 3: V, 4: L, 5: NH, 6: C, 7: Vp }));
}
