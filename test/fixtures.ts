import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GPT2 } from "../src/api/gpt2.ts";
import type { Backend } from "../src/backend/backend.ts";
import { readDebugState } from "../src/format/state.ts";
import { type GPT2Config, makeConfig } from "../src/model/config.ts";
import { backward, forward, gradientNorm, logits } from "../src/model/gpt2.ts";
import { parametersOf, type TensorName } from "../src/model/parameters.ts";
import { TensorScope } from "../src/model/tensor-scope.ts";
import { TensorSet } from "../src/model/tensor-set.ts";
import { allocTrainWorkspace } from "../src/model/workspace.ts";
import { openSource } from "../src/platform/node-files.ts";
import { Mt19937 } from "../src/random/mt19937.ts";
import { normals } from "../src/random/normal.ts";
import type { BatchSource } from "../src/train/options.ts";

/** Ten AdamW steps as PyTorch made them. */
export interface TorchSteps {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weight_decay: number;
  readonly clip: number | null;
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  /** Of every tensor after the last step. */
  readonly final_sum_and_abs_sum: Readonly<Record<TensorName, readonly [number, number]>>;
}

/** A small model, one batch, and the results of PyTorch for them. */
export interface Fixture {
  readonly modelPath: string;
  readonly config: GPT2Config;
  readonly B: number;
  readonly T: number;
  readonly x: Int32Array;
  readonly y: Int32Array;
  /** (B,T,V) */
  readonly logits: Float32Array;
  readonly loss: number;
  readonly gradients: Readonly<Record<TensorName, Float32Array>>;
  readonly greedy: { readonly prompt: readonly number[]; readonly tokens: readonly number[] };
  readonly adamw_plain: TorchSteps;
  readonly adamw_full: TorchSteps;
}

export function fixturePath(file: string): string {
  return fileURLToPath(new URL(`fixtures/${file}`, import.meta.url));
}

export async function loadFixture(name: "gpt2_tiny" | "gpt2_odd"): Promise<Fixture> {
  const json = JSON.parse(readFileSync(fixturePath(`${name}.json`), "utf8"));
  const { B: _B, T: _T, ...sizes } = json.config;
  const config = makeConfig(sizes);
  const source = await openSource(fixturePath(`${name}_debug_state.bin`));
  try {
    const state = await readDebugState(source, config);
    const logits = new Float32Array(state.B * state.T * config.V);
    await state.readLogits(async (start, data) => logits.set(data, start));
    const gradients = emptyTensors(config);
    await state.readGradients(async (tensor, start, data) => gradients[tensor].set(data, start));
    return { ...json, ...state, modelPath: fixturePath(`${name}.bin`), config, logits, gradients };
  } finally {
    await source.close();
  }
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}

export type TokenBatch = Pick<Fixture, "B" | "T" | "x" | "y">;

/** Logits (B,T,V), loss, gradients and their squared norm for one batch. */
export async function computeBatch({ backend, config, parameters }: GPT2, { B, T, x, y }: TokenBatch) {
  const { V, Vp } = config;
  const memory = new TensorScope(backend);
  const grads = new TensorSet(memory, config);
  const ws = allocTrainWorkspace(memory, config, B, T);
  const out = memory.alloc([B * T, Vp]);
  await backend.write(ws.tokens, x);
  await backend.write(ws.head.targets, y);
  forward(backend, parameters, ws);
  logits(backend, parameters, out, ws.lnf.out);
  backward(backend, parameters, grads, ws);
  gradientNorm(backend, grads, ws);
  const padded = await backend.read(out);
  const unpadded = new Float32Array(B * T * V);
  for (let n = 0; n < B * T; n++) unpadded.set(padded.subarray(n * Vp, n * Vp + V), n * V);
  const [loss, squaredNorm] = await backend.read(ws.stats);
  const gradients = await readSet(backend, grads);
  await memory.free();
  return { logits: unpadded, loss, squaredNorm, gradients };
}

/** The fixture's batch, again and again. */
export function sameBatch({ B, T, x, y }: TokenBatch): BatchSource {
  return { B, T, next: async () => ({ inputs: x, targets: y }), reset() {} };
}

/** A random model: biases and layernorm weights as well, all larger than at initialisation. */
export async function randomModel(backend: Backend, config: GPT2Config): Promise<GPT2> {
  const model = await GPT2.create(config, { backend });
  const rng = new Mt19937(1);
  for (const { name, size, padding, init } of parametersOf(config)) {
    const mean = init === "one" ? 1 : 0;
    const values = concatenate([...normals(rng, size - padding, 0.2)]).map((value) => value + mean);
    await model.parameters.weights.write(backend, name, 0, values);
  }
  return model;
}

/** A zero for every parameter of a model, as its files hold them. */
export function emptyTensors(config: GPT2Config): Record<TensorName, Float32Array> {
  const entries = parametersOf(config).map(({ name, size }) => [name, new Float32Array(size)]);
  return Object.fromEntries(entries);
}

/** Every element of a set, tensor by tensor. */
export async function readSet(
  backend: Backend,
  set: Pick<TensorSet, "parameters" | "read">,
): Promise<Record<TensorName, Float32Array>> {
  const entries: [TensorName, Float32Array][] = [];
  for (const { name, size } of set.parameters) entries.push([name, await set.read(backend, name, 0, size)]);
  return Object.fromEntries(entries) as Record<TensorName, Float32Array>;
}

/** A hash of all bits, to compare large results quickly. */
export function bits(arrays: Iterable<Float32Array> | Record<string, Float32Array>): string {
  const hash = createHash("sha256");
  for (const { buffer, byteOffset, byteLength } of Symbol.iterator in arrays ? arrays : Object.values(arrays))
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest("hex");
}

export function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** Largest difference between two arrays; NaN if one holds a NaN, or the lengths differ. */
export function maxDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.NaN;
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

/** All values of an async iterator. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
