/**
 * llm.c's debug states, `gpt2_124M_debug_state.bin` (train_gpt2.py's `write_state`): the results of a model for one batch,
 * to compare with another program's.
 *
 * Header: [0] 20240327, [1] version, [2] B, [3] T. Then x (B,T) and y (B,T) int32, logits (B,T,V) and loss float32,
 * and the gradients in the order of the model's tensors, float32, wte with Vp rows (version 2) or V (version 1).
 */
import { InputError } from "../errors.ts";
import type { GPT2Config } from "../model/config.ts";
import type { ByteSink, ByteSource } from "../platform/platform.ts";
import { checkSize, fieldError, headerBytes, magic, makeHeader, readHeaderOf } from "./header.ts";
import { architectureProblem } from "./model.ts";
import { fromFloat32, toFloat32, toInt32 } from "./numbers.ts";
import { chunksOf, type OnChunk, type ReadChunk, readTensors, streamOf, tensorBytes, writeTensors } from "./tensors.ts";

export interface DebugState {
  readonly B: number;
  readonly T: number;
  readonly x: Int32Array;
  readonly y: Int32Array;
  readonly loss: number;
  /** Reads the logits (B,T,V) in chunks, in order; `start` is the index of the chunk's first element. */
  readLogits(onChunk: (start: number, data: Float32Array) => Promise<void>): Promise<void>;
  /** Reads the gradients in chunks, as a model's weights are read. */
  readGradients(onChunk: OnChunk): Promise<void>;
}

/** InputError for a model whose gradients no debug state can hold; `name`: the file concerned. */
export function requireArchitecture(name: string, config: GPT2Config): void {
  const problem = architectureProblem(config);
  if (problem)
    throw new InputError(`${name}: there is no debug state of this model: ${problem}. Give a GPT-2 to compare with.`);
}

/** Opens the debug state of a model. `source` stays open until the caller closes it. */
export async function readDebugState(source: ByteSource, config: GPT2Config): Promise<DebugState> {
  requireArchitecture(source.name, config);
  const header = await readHeaderOf(source, "state");
  const [, version, B, T] = header;
  if (version !== 1 && version !== 2) throw fieldError(source, header, 1, "version", "1 or 2");
  if (B < 1) throw fieldError(source, header, 2, "B", "a batch of at least 1");
  if (T < 1 || T > config.maxT)
    throw fieldError(source, header, 3, "T", `1 to the model's ${config.maxT}`, "Give the model that it belongs to.");
  const { V } = config;
  const layout = { dtype: "f32", padded: version === 2 } as const;
  const [xOffset, yOffset, logitsOffset] = [0, 1, 2].map((n) => headerBytes + n * B * T * 4);
  const lossOffset = logitsOffset + B * T * V * 4;
  const gradientsOffset = lossOffset + 4;
  const why = `a version ${version} debug state of B ${B}, T ${T} for this model of V ${V}, L ${config.L}, C ${config.C}`;
  checkSize(source, gradientsOffset + tensorBytes(config, layout), why);

  const readTokens = async (name: string, offset: number) => {
    const tokens = toInt32(await source.read(offset, B * T * 4));
    const bad = tokens.findIndex((token) => token < 0 || token >= V);
    if (bad >= 0)
      throw new InputError(
        `${source.name}: token ${tokens[bad]} at ${name}[${bad}] (byte ${offset + 4 * bad}) is not in the model's ` +
          `vocabulary of ${V}. Give the model that the state belongs to, or write the state again.`,
      );
    return tokens;
  };

  return {
    B,
    T,
    x: await readTokens("x", xOffset),
    y: await readTokens("y", yOffset),
    loss: toFloat32(await source.read(lossOffset, 4), "f32")[0],
    async readLogits(onChunk) {
      for (const [start, length] of chunksOf(B * T * V))
        await onChunk(start, toFloat32(await source.read(logitsOffset + 4 * start, 4 * length), "f32"));
    },
    readGradients: (onChunk) => readTensors(source, gradientsOffset, config, layout, onChunk),
  };
}

export interface DebugStateContent {
  readonly B: number;
  readonly T: number;
  readonly x: Int32Array;
  readonly y: Int32Array;
  readonly loss: number;
  /** The logits (V) of position `row` of the B*T. */
  readLogits(row: number): Promise<Float32Array>;
  readonly readGradient: ReadChunk;
}

/** Writes a debug state of version 2; the caller commits. */
export async function writeDebugState(sink: ByteSink, config: GPT2Config, content: DebugStateContent): Promise<void> {
  requireArchitecture(sink.name, config);
  const { B, T, x, y } = content;
  await sink.write(makeHeader({ 0: magic.state, 1: 2, 2: B, 3: T }));
  for (const tokens of [x, y]) await sink.write(new Uint8Array(Int32Array.from(tokens).buffer));
  for (let row = 0; row < B * T; row++) await sink.write(fromFloat32(await content.readLogits(row), "f32"));
  await sink.write(fromFloat32(Float32Array.of(content.loss), "f32"));
  await writeTensors(sink, streamOf(config, content.readGradient), "f32");
}
