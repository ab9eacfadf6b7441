import type { Backend } from "../backend/backend.ts";
import type { GPT2Config } from "../model/config.ts";
import type { Parameters } from "../model/parameters.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { CreateOptions, GenerateOptions, ModelOptions } from "./options.ts";

/** A GPT-2 model in a backend's memory. */
export class GPT2 {
  readonly backend: Backend;
  readonly parameters: Parameters;
  readonly tokenizer: Tokenizer | undefined;

  private constructor(backend: Backend, parameters: Parameters, tokenizer: Tokenizer | undefined) {
    this.backend = backend;
    this.parameters = parameters;
    this.tokenizer = tokenizer;
  }

  get config(): GPT2Config {
    return this.parameters.config;
  }

  /** Reads a model file: llm.c's .bin (any version) or safetensors. */
  static async load(_input: string | URL | Blob | Uint8Array, _options: ModelOptions = {}): Promise<GPT2> {
    throw new Error("not written yet");
  }

  /** A fresh model, from a configuration or a preset's name (d6 … d48; baby needs a tokenizer). */
  static async create(_config: GPT2Config | string, _options: CreateOptions = {}): Promise<GPT2> {
    throw new Error("not written yet");
  }

  /** Continues a text, piece by piece. */
  generate(_prompt: string, _options: GenerateOptions = {}): AsyncGenerator<string, void, undefined> {
    throw new Error("not written yet");
  }

  /** Continues a sequence of tokens. */
  generateTokens(_prompt: readonly number[], _options: GenerateOptions = {}): AsyncGenerator<number, void, undefined> {
    throw new Error("not written yet");
  }

  /** Writes the model: .bin (llm.c version 3, fp32) or .safetensors. Appears whole or not at all. */
  async save(_path: string): Promise<void> {
    throw new Error("not written yet");
  }

  /** Gives the model's memory back. */
  async dispose(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
