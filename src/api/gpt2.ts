import { platform } from "#platform";
import type { Backend } from "../backend/backend.ts";
import { createBackend, requireBackend } from "../backend/registry.ts";
import { endsOf } from "../data/tokenizer-files.ts";
import { InputError, shown, UsageError } from "../errors.ts";
import { ggmlTypes } from "../format/gguf-file.ts";
import { type OnChunk, readGrown, streamOf, type TensorStream } from "../format/tensors.ts";
import type { GenerateEvent } from "../generate/samples.ts";
import {
  type GPT2Config,
  presetConfig,
  presetNames,
  pretrainedFile,
  requireConfig,
  withVocabulary,
} from "../model/config.ts";
import { initialize } from "../model/init.ts";
import { requireMemory } from "../model/memory.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { type Parameters, TensorSet } from "../model/tensor-set.ts";
import { requireWeightType } from "../model/weight-type.ts";
import { requireFolder, requireOptions, requireType } from "../option-names.ts";
import { paddedTo, requireTokenizer, type Tokenizer, unusedIds } from "../tokenizer/tokenizer.ts";
import { generateSamples } from "./generation.ts";
import { adaptedBy, openModelFile, type SaveOptions, saveModelFile } from "./model-file.ts";
import { gpt2Vocabulary, requireFit, startTokenOf, tokenizerOf } from "./model-tokenizer.ts";
import {
  type CreateOptions,
  createOptions,
  type GenerateOptions,
  generateOptions,
  type LoadOptions,
  loadOptions,
  type ModelOptions,
  modelOptions,
  type SampleOptions,
  sampleOptions,
} from "./options.ts";

/** A GPT-2 model in a backend's memory: loaded from a file or made afresh, to be trained, sampled and saved. */
export class GPT2 {
  readonly backend: Backend;
  readonly parameters: Parameters;
  /** Undefined when none was given or found: the model then works with token ids only. */
  readonly tokenizer: Tokenizer | undefined;
  /** Start token of a text without a prompt: end-of-text, or a newline. */
  readonly startToken: number;
  /** The tokens that end a text. */
  readonly endTokens: readonly number[];
  /** Ids below V without a token of the tokenizer: rows that pad the vocabulary. They are never sampled. */
  readonly unusedIds: readonly number[];
  readonly #ownsBackend: boolean;
  readonly #memory: TensorScope;
  /** Tokenizer and end tokens as they were given or found. */
  readonly #reading: Pick<ModelOptions, "tokenizer" | "endTokens">;
  /** Readers in progress, which read the weights piece by piece. */
  readonly #readers = new Set<Promise<unknown>>();
  #completing: Promise<void> | undefined;

  private constructor(
    backend: Backend,
    ownsBackend: boolean,
    memory: TensorScope,
    parameters: Parameters,
    reading: Pick<ModelOptions, "tokenizer" | "endTokens">,
  ) {
    const { V } = parameters.config;
    const { tokenizer, endTokens } = reading;
    this.backend = backend;
    this.#ownsBackend = ownsBackend;
    this.#memory = memory;
    this.#reading = reading;
    this.parameters = parameters;
    this.tokenizer = tokenizer && paddedTo(V, tokenizer);
    this.endTokens = endTokens ?? endsOf(tokenizer);
    this.startToken = startTokenOf(tokenizer, V, this.endTokens);
    this.unusedIds = unusedIds(tokenizer, V);
  }

  get config(): GPT2Config {
    return this.parameters.config;
  }

  /**
   * Reads a model: llm.c's .bin of any version, or Hugging Face's safetensors with the config.json beside it (of a
   * model in several files: its index). It goes to the backend in pieces, so it is never in memory twice.
   * InputError for a file that is no model or is damaged, or an adapter of another model, MemoryError for one that is too large.
   */
  static async load(input: string | URL | Blob | Uint8Array, options: LoadOptions = {}): Promise<GPT2> {
    requireOptions("GPT2.load", options, loadOptions, { "GPT2.create": createOptions });
    requireModelOptions(options);
    if (options.adapter !== undefined) requireFolder("adapter", options.adapter);
    const given = input instanceof URL ? platform.pathOf(input) : input;
    const isContent = given instanceof Blob || given instanceof Uint8Array;
    if (!isContent && (typeof given !== "string" || given === ""))
      throw new UsageError(`The model is ${shown(input)}, expected a path, URL, Blob or Uint8Array of its file.`);
    const file = await openModelFile(given, options.config);
    try {
      const model = options.adapter === undefined ? file : await adaptedBy(file, options.adapter);
      const path = typeof given === "string" ? given : undefined;
      const { endTokens = file.endTokens } = options;
      const { V } = file.config;
      const { vocabSize = V } = options;
      if (!Number.isSafeInteger(vocabSize) || vocabSize < V)
        throw new UsageError(
          `vocabSize is ${shown(vocabSize)}, expected a whole number, ${V} (the model's vocabulary) or more.`,
        );
      const config = vocabSize > V ? withVocabulary(file.config, vocabSize) : file.config;
      return await GPT2.#make(config, path, { ...options, endTokens }, (backend, { weights }) => {
        const write: OnChunk = (name, start, data) => weights.write(backend, name, start, data);
        return vocabSize > V ? readGrown(model, vocabSize, write) : model.readTensors(write);
      });
    } finally {
      await file.close();
    }
  }

  /**
   * A fresh model with PyTorch's own initial weights: of your own sizes (`makeConfig` fills in what is usual), or a
   * preset: d6, d12, d24, d36, d48, or `baby`, which takes its vocabulary from the tokenizer.
   */
  static async create(config: GPT2Config | string, options: CreateOptions = {}): Promise<GPT2> {
    requireOptions("GPT2.create", options, createOptions, { "GPT2.load": loadOptions });
    requireModelOptions(options);
    const { seed = 42, tokenizer, onProgress } = options;
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff)
      throw new UsageError(`The seed is ${shown(seed)}, expected a whole number from 0 to 4294967295.`);
    requireType("function", { onProgress });
    const full = typeof config === "string" ? configOf(config, tokenizer) : config;
    requireConfig(full);
    return GPT2.#make(full, undefined, options, (backend, parameters) =>
      initialize(backend, parameters, seed, onProgress),
    );
  }

  /** A model whose weights are all zero, until they are written: those of another process. */
  static async zeros(config: GPT2Config, options: ModelOptions = {}): Promise<GPT2> {
    requireOptions("GPT2.zeros", options, modelOptions, { "GPT2.load": loadOptions, "GPT2.create": createOptions });
    requireModelOptions(options);
    requireConfig(config);
    return GPT2.#make(config, undefined, options, async () => {});
  }

  static async #make(
    config: GPT2Config,
    path: string | undefined,
    {
      backend: wanted,
      threads,
      revectorize,
      kernel,
      blas,
      onStart,
      tokenizer,
      endTokens,
      weights = "f32",
    }: ModelOptions,
    fillWeights: (backend: Backend, parameters: Parameters) => Promise<void>,
  ): Promise<GPT2> {
    const reads = tokenizer ? requireFit(tokenizer, config.V) : await tokenizerOf(path, config.V);
    const ownsBackend = wanted === undefined || typeof wanted === "string";
    const backend = ownsBackend ? await createBackend(wanted, { threads, revectorize, kernel, blas, onStart }) : wanted;
    const memory = new TensorScope(backend);
    try {
      requireWeightType(backend, config, weights);
      requireMemory(backend, config, { weights }, backend.memoryUsed);
      const parameters: Parameters = { config, weights: new TensorSet(memory, config, weights) };
      const model = new GPT2(backend, ownsBackend, memory, parameters, { tokenizer: reads, endTokens });
      await fillWeights(backend, parameters);
      await backend.sync();
      return model;
    } catch (error) {
      await (ownsBackend ? backend.dispose() : memory.free());
      throw error;
    }
  }

  /**
   * Continues a text, piece by piece (a piece never ends inside a character). An empty prompt begins a new text.
   * Leaving the loop early, or `signal`, ends it.
   */
  async *generate(prompt: string, options: GenerateOptions = {}): AsyncGenerator<string, void, undefined> {
    requireOptions("GPT2.generate", options, generateOptions, { "GPT2.generateSamples": sampleOptions });
    this.requireTokenizer();
    for await (const { text } of this.generateSamples(prompt, options)) if (text !== "") yield text;
  }

  /**
   * Continues a sequence of tokens; without any, it begins with `startToken`, which is not yielded. Past maxT tokens
   * the model sees the newest half to whole of maxT. UsageError for options out of range, InputError for a token
   * outside the vocabulary.
   */
  async *generateTokens(
    prompt: readonly number[],
    options: GenerateOptions = {},
  ): AsyncGenerator<number, void, undefined> {
    requireOptions("GPT2.generateTokens", options, generateOptions, { "GPT2.generateSamples": sampleOptions });
    for await (const event of this.generateSamples(prompt, options)) if (event.type === "token") yield event.token;
  }

  /**
   * Continues a text or a sequence of tokens several times, all samples together: each step yields a token of every
   * sample that has not ended, and why one has. With `logprobs`, how probable the model held each token.
   */
  generateSamples(
    prompt: string | readonly number[],
    options: SampleOptions = {},
  ): AsyncGenerator<GenerateEvent, void, undefined> {
    return generateSamples(this, prompt, options);
  }

  /**
   * Writes the model under `path`, whole or not at all: .bin is llm.c's version 3 (f32) or 5 (bf16); beside a
   * .safetensors comes the config.json that transformers requires, where there is none yet. The tokenizer is written beside the
   * model. InputError when the place cannot be written or holds another model's tokenizer, UsageError when the format cannot hold the model.
   *
   * The file holds the weights as they are now. A `Trainer` of this model may be running, between whose events this need
   * not be awaited: its next update waits until the file is written.
   */
  async save(path: string, options: Pick<SaveOptions, "dtype"> = {}): Promise<void> {
    requireOptions("GPT2.save", options, { dtype: true });
    if (typeof path !== "string" || path === "")
      throw new UsageError(
        `The model's file is ${shown(path)}, expected a path that ends in .bin, .safetensors or .gguf.`,
      );
    const { dtype } = options;
    if (dtype !== undefined && !Object.hasOwn(ggmlTypes, dtype))
      throw new UsageError(`dtype is ${shown(dtype)}, expected one of ${Object.keys(ggmlTypes).join(", ")}.`);
    const { tokenizer, endTokens } = this;
    await this.holdWeights(() => saveModelFile(path, this.#stream(), { dtype, tokenizer, endTokens }));
  }

  /**
   * A copy of the model in the memory of another backend, which the copy does not own. MemoryError when it does not fit
   * there.
   */
  async copyTo(backend: Backend): Promise<GPT2> {
    requireBackend(backend);
    const { dtype } = this.parameters.weights;
    const options = { ...this.#reading, backend, weights: dtype };
    return this.holdWeights(() =>
      GPT2.#make(this.config, undefined, options, (_, { weights }) =>
        this.#stream().readTensors((name, start, data) => weights.write(backend, name, start, data)),
      ),
    );
  }

  /** The weights in pieces, in llm.c's order. */
  #stream(): TensorStream {
    const { backend, config } = this;
    const { weights } = this.parameters;
    return streamOf(config, (name, start, length) => weights.read(backend, name, start, length));
  }

  /** Runs `read`, which takes the weights piece by piece, and lets no update change them until it has ended. */
  async holdWeights<T>(read: () => Promise<T>): Promise<T> {
    const reading = this.#completing ? this.#completing.then(read) : read();
    this.#readers.add(reading);
    try {
      return await reading;
    } finally {
      this.#readers.delete(reading);
    }
  }

  /** Waits until all holds on the weights are released: right before an update. */
  async weightsReleased(): Promise<void> {
    while (this.#readers.size > 0) await Promise.allSettled(this.#readers);
  }

  /** Runs the second half of an update, before which no one may read the weights: others' parts are still to come. */
  async completeWeights(work: () => Promise<void>): Promise<void> {
    this.#completing = work().finally(() => {
      this.#completing = undefined;
    });
    await this.#completing;
  }

  /** The tokenizer; InputError when there is none. */
  requireTokenizer(): Tokenizer {
    if (this.tokenizer) return this.tokenizer;
    throw new InputError(
      `This model has no tokenizer. Put the tokenizer.bin that it was trained with, one of ${this.config.V} tokens, beside ` +
        "its file, or give one as an option.",
    );
  }

  /**
   * Gives the weights' memory back, and stops the backend unless it was passed in. The model cannot be used after. A second
   * call does nothing.
   */
  async dispose(): Promise<void> {
    if (this.#ownsBackend) await this.backend.dispose();
    else await this.#memory.free();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** UsageError for values of a model's options that are none: before its file is opened. */
function requireModelOptions({ backend, config, tokenizer, endTokens, ...options }: ModelOptions): void {
  const { threads, revectorize, kernel, blas, onStart } = options;
  requireType("boolean", { revectorize });
  requireType("function", { onStart });
  if (backend !== undefined && typeof backend !== "string") {
    requireBackend(backend);
    for (const [name, value] of Object.entries({ threads, revectorize, kernel, blas, onStart }))
      if (value !== undefined)
        throw new UsageError(
          `${name} is ${shown(value)}, which is for making a backend, and the one that is given is made already. Give it to ` +
            "createBackend, or leave it out.",
        );
  }
  if (config !== undefined && !(config instanceof Blob))
    throw new UsageError(`config is ${shown(config)}, expected a Blob of config.json.`);
  if (tokenizer !== undefined) requireTokenizer(tokenizer);
  const isToken = (token: unknown) => Number.isSafeInteger(token) && Number(token) >= 0;
  if (endTokens !== undefined && !(Array.isArray(endTokens) && endTokens.every(isToken)))
    throw new UsageError(`endTokens is ${shown(endTokens)}, expected an array of tokens: whole numbers, 0 or more.`);
}

function configOf(name: string, tokenizer: Tokenizer | undefined): GPT2Config {
  if (name === "baby" && !tokenizer)
    throw new UsageError("The preset baby takes its vocabulary from a tokenizer. Give one as an option.");
  const config = presetConfig(name, tokenizer?.vocabSize ?? gpt2Vocabulary);
  if (config) return config;
  const file = pretrainedFile(name);
  if (file)
    throw new UsageError(`${name} is a trained model: load its file (${file}). To start from scratch, create "d12".`);
  throw new UsageError(`There is no preset "${name}". Choose one of: ${presetNames.join(", ")}.`);
}
