import type { Backend } from "../backend/backend.ts";
import { InputError, shown, UsageError } from "../errors.ts";
import { Decoder } from "../generate/decoder.ts";
import { Recomputer } from "../generate/recompute.ts";
import { Sampler, type SamplingOptions } from "../generate/sampler.ts";
import { type GenerateEvent, SampleWriter, writeSamples } from "../generate/samples.ts";
import type { GPT2Config } from "../model/config.ts";
import { heldByOthers, requireMemory, weightsPlan } from "../model/memory.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import type { Parameters } from "../model/tensor-set.ts";
import { allocDecodeWorkspace, allocRecomputeWorkspace } from "../model/workspace.ts";
import { requireOptions, requireType } from "../option-names.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type SampleOptions, sampleOptions } from "./options.ts";

/** A model with its backend and tokenizer, as far as generation needs them. */
export interface GeneratingModel {
  readonly backend: Backend;
  readonly config: GPT2Config;
  readonly parameters: Parameters;
  readonly tokenizer: Tokenizer | undefined;
  readonly startToken: number;
  readonly endTokens: readonly number[];
  readonly unusedIds: readonly number[];
  requireTokenizer(): Tokenizer;
}

/** Samples that are computed together; more come after them. Up to here kernels give a row alone the same bits. */
const MOST_TOGETHER = 8;

/** Implementation of `GPT2.generateSamples`. */
export async function* generateSamples(
  model: GeneratingModel,
  prompt: string | readonly number[],
  options: SampleOptions,
): AsyncGenerator<GenerateEvent, void, undefined> {
  requireOptions("GPT2.generateSamples", options, sampleOptions);
  const { maxTokens = 64, samples = 1, stop = [], logprobs, pastEnd = false, llmc = false, signal } = options;
  requireWhole("maxTokens", maxTokens, 0);
  requireWhole("samples", samples, 1);
  requireSeeds(options, samples);
  requireSignal(signal);
  requireType("boolean", { pastEnd, llmc });
  if (logprobs !== undefined) requireWhole("logprobs", logprobs, 0);
  const isText = (value: unknown) => typeof value === "string";
  if (!isText(stop) && !(Array.isArray(stop) && stop.every(isText)))
    throw new UsageError(`stop is ${shown(stop)}, expected a text or a list of texts.`);
  const tokens = promptTokens(model, prompt);
  const strings = typeof stop === "string" ? [stop] : stop;
  if (strings.length > 0) model.requireTokenizer();
  if (llmc) requireLlmc(model, tokens.length + maxTokens, options);
  const { tokenizer, unusedIds } = model;
  const endTokens = pastEnd || llmc ? [] : model.endTokens;
  const excluded = new Set(unusedIds);
  const writerOf = (i: number) => {
    const sampler = new Sampler({ ...options, seed: seedOf(options, i) }, unusedIds);
    return new SampleWriter(i, sampler, tokens, { tokenizer, stop: strings, endTokens, excluded, logprobs });
  };
  for (let first = 0; first < samples && !(first > 0 && signal?.aborted); first += MOST_TOGETHER) {
    const writers = Array.from({ length: Math.min(MOST_TOGETHER, samples - first) }, (_, i) => writerOf(first + i));
    yield* together(model, tokens, writers, maxTokens, llmc, signal);
  }
}

async function* together(
  { backend, config, parameters, startToken }: GeneratingModel,
  tokens: readonly number[],
  writers: readonly SampleWriter[],
  maxTokens: number,
  llmc: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<GenerateEvent, void, undefined> {
  const length = tokens.length + maxTokens;
  const B = writers.length;
  const S = Math.min(config.maxT, length);
  const own = weightsPlan(parameters);
  if (!llmc) requireMemory(backend, config, { ...own, decode: { S, B } }, heldByOthers(backend, config, own));
  const memory = new TensorScope(backend);
  try {
    const source = llmc
      ? new Recomputer(backend, parameters, allocRecomputeWorkspace(memory, config, length), tokens, startToken)
      : new Decoder(backend, parameters, allocDecodeWorkspace(memory, config, S, B), tokens);
    yield* writeSamples(source, writers, maxTokens, signal);
  } finally {
    await memory.free();
  }
}

/** UsageError when a seed is no whole number, or that of the last sample is beyond those that are exact. */
function requireSeeds({ seed = 1337 }: SamplingOptions, samples: number): void {
  if (typeof seed === "bigint") return;
  if (!Number.isSafeInteger(seed))
    throw new UsageError(`The sampling seed is ${shown(seed)}, expected a whole number.`);
  const most = Number.MAX_SAFE_INTEGER - (samples - 1);
  if (seed > most)
    throw new UsageError(
      `The seed is ${seed}, and each of ${samples} samples takes the next one: choose a seed of ${most} or less, or fewer ` +
        "samples.",
    );
}

/** The seed of sample `i`: with it, the same text comes alone. */
export function seedOf({ seed = 1337 }: SamplingOptions, i: number): number | bigint {
  return typeof seed === "bigint" ? seed + BigInt(i) : seed + i;
}

/** The tokens of a prompt, or the start token if it is empty. InputError for tokens outside the model's vocabulary. */
export function promptTokens(model: GeneratingModel, prompt: string | readonly number[]): readonly number[] {
  if (typeof prompt !== "string" && !Array.isArray(prompt))
    throw new UsageError(`The prompt is ${shown(prompt)}, expected a text or an array of tokens.`);
  const { V } = model.config;
  const tokens =
    typeof prompt !== "string"
      ? prompt
      : prompt === ""
        ? []
        : model.requireTokenizer().encode(prompt, { prompt: true });
  const strange = tokens.find((token) => !(Number.isInteger(token) && token >= 0 && token < V));
  if (strange !== undefined)
    throw new InputError(`The prompt holds token ${strange}, and the model knows 0 to ${V - 1}.`);
  return tokens.length > 0 ? tokens : [model.startToken];
}

/** llm.c's sampler has one mode and no more positions than the model. */
function requireLlmc({ config }: GeneratingModel, length: number, options: SampleOptions): void {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1, samples = 1 } = options;
  if (temperature !== 1 || topK !== 0 || topP !== 1 || minP !== 0 || repetitionPenalty !== 1 || samples !== 1)
    throw new UsageError(
      "llm.c's sampling has one temperature, 1, and chooses one sample among all tokens. Leave temperature, top-k, " +
        "top-p, min-p, repetition penalty and samples as they are, or leave llm.c's sampling.",
    );
  if (length > config.maxT)
    throw new UsageError(
      `llm.c's sampling needs room for prompt and new tokens, ${length} together, and the model has ${config.maxT} ` +
        "positions. Ask for fewer tokens.",
    );
}

/** UsageError when an option is no whole number, or below the least that makes sense. */
export function requireWhole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new UsageError(`${name} is ${shown(value)}, expected a whole number, ${least} or more.`);
}

/** UsageError for what is given as a model and is none, such as the promise of one. */
export function requireModel(model: Pick<GeneratingModel, "config">): void {
  if (typeof model !== "object" || model === null || typeof model.config !== "object")
    throw new UsageError(`The model is ${shown(model)}, expected a GPT2, as await GPT2.load gives it.`);
}

/** UsageError for a signal that would abort nothing, such as the AbortController that has it. */
export function requireSignal(signal: AbortSignal | undefined): void {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new UsageError(`signal is ${shown(signal)}, expected an AbortSignal.`);
}
