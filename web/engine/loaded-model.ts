import type { GPT2 } from "../../src/api/gpt2.ts";
import { parameterCount } from "../../src/model/parameters.ts";
import type { ModelSummary } from "./protocol.ts";

/** The model that is there: of a run, of a stored one, or opened from files. */
export interface LoadedModel {
  readonly model: GPT2;
  /** For people: the preset, or the file. */
  readonly name: string;
}

export function summaryOf({ model: { config, tokenizer }, name }: LoadedModel, step?: number): ModelSummary {
  const characters = tokenizer?.kind === "char" ? tokenizer.decode(tokenizer.tokens().keys()) : undefined;
  return { name, config, parameters: parameterCount(config), tokenizer: tokenizer?.kind, characters, step };
}
