import type { Backend, WeightType } from "../backend/backend.ts";
import type { OnStart } from "../backend/entry.ts";
import type { BackendName, KernelName } from "../backend/registry.ts";
import { type SamplingOptions, samplingOptions } from "../generate/sampler.ts";
import type { OptionNames } from "../option-names.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** Backend and tokenizer of a model. */
export interface ModelOptions {
  /**
   * `wasm` (the default: all cores), `webgpu` (a GPU: in a browser, or in Node with the package `webgpu`), `reference` (slow
   * and readable), or a backend of your own.
   */
  readonly backend?: BackendName | Backend;
  /** Threads of the wasm backend; default OMP_NUM_THREADS, else all cores. */
  readonly threads?: number;
  /** Lets V8 fuse the kernels' 128-bit operations to 256-bit ones: faster on x86, and experimental; default off. */
  readonly revectorize?: boolean;
  /**
   * A library of the system that computes the matmuls of the wasm backend, in Node with the package koffi: "accelerate",
   * "armpl", "mkl", "openblas", "blis", or a library's path; "auto" is the fastest, if it is faster than the kernels. Default
   * "none": the same bits on every machine.
   */
  readonly blas?: string;
  /** Kernels of the backend: a tile of webgpu's matmuls, or of wasm those that `llm-ts info --system` names; default "auto": the fastest that compute right. */
  readonly kernel?: KernelName | "auto";
  /** Called while a first start takes seconds, to time a GPU's matmuls: what it does, and the share done, 0 to 1. */
  readonly onStart?: OnStart;
  /**
   * Storage of the matrices, for generating and evaluating only where it is not float32 (the default): bfloat16, rounded to
   * nearest, ties to even, in half the memory; or int8, 8 bits and a scale for every 32 numbers (GGUF's q8_0), in little more
   * than a quarter. The less memory, the more tokens a second.
   */
  readonly weights?: WeightType;
  /** The config.json of safetensors that are given as a Blob or bytes; of a path, the one beside it is found. */
  readonly config?: Blob;
  /** Turns text into tokens and back. Default: the one found beside the model, else GPT-2's where V is 50257 or 50304. */
  readonly tokenizer?: Tokenizer;
  /**
   * The tokens that end a text. Default: `eos_token_id` of a generation_config.json or config.json beside the model, else the
   * tokenizer's end-of-text token.
   */
  readonly endTokens?: readonly number[];
}

export const modelOptions: OptionNames<ModelOptions> = {
  backend: true,
  threads: true,
  revectorize: true,
  blas: true,
  kernel: true,
  onStart: true,
  weights: true,
  config: true,
  tokenizer: true,
  endTokens: true,
};

export interface LoadOptions extends ModelOptions {
  /**
   * Folder of a LoRA adapter of the model, as PEFT writes it, or of a run with its newest: it is added to the matrices. The model's
   * file need not be the one that it was trained on, since the same weights may be in another format.
   */
  readonly adapter?: string;
  /**
   * A larger vocabulary than the file's: the embeddings of tokens that it lacks begin as the mean of the others, so that each is
   * about as probable as an average one. Default: the file's.
   */
  readonly vocabSize?: number;
}

export const loadOptions: OptionNames<LoadOptions> = { ...modelOptions, adapter: true, vocabSize: true };

export interface CreateOptions extends ModelOptions {
  /** Seed of the initial weights, which are those that PyTorch gives; default 42. */
  readonly seed?: number;
  /** Called with the share that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

export const createOptions: OptionNames<CreateOptions> = { ...modelOptions, seed: true, onProgress: true };

export interface GenerateOptions extends SamplingOptions {
  /** Tokens to write; default 64. */
  readonly maxTokens?: number;
  /** Strings at which a text ends; they are not part of it. They are found across tokens. */
  readonly stop?: string | readonly string[];
  /** Continues past the tokens that end a text, as training texts do. Default false: they end the text. */
  readonly pastEnd?: boolean;
  /**
   * Writes what llm.c's train_gpt2.c would: its random numbers, every position computed again for each token, nothing
   * stops. No other way of choosing can be set, and prompt and tokens have to fit maxT. Default false.
   */
  readonly llmc?: boolean;
  /** Ends the text after the token under way, without an error. */
  readonly signal?: AbortSignal;
}

export const generateOptions: OptionNames<GenerateOptions> = {
  ...samplingOptions,
  maxTokens: true,
  stop: true,
  pastEnd: true,
  llmc: true,
  signal: true,
};

export interface SampleOptions extends GenerateOptions {
  /** Texts to write, computed together; default 1. Number i, from 0, is the one that seed + i writes alone. */
  readonly samples?: number;
  /** Tell each token's logarithm of probability, and those of that many of the best; default undefined: none. */
  readonly logprobs?: number;
}

export const sampleOptions: OptionNames<SampleOptions> = { ...generateOptions, samples: true, logprobs: true };
