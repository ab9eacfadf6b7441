import { findTokenizer } from "../data/dataset.ts";
import { InputError } from "../errors.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

const GPT2_VOCABULARY = 50257;

/** InputError when the ids of a tokenizer are not those that a model of vocabulary `V` knows. */
export function requireFit(tokenizer: Tokenizer, V: number): Tokenizer {
  if (tokenizer.vocabSize === V) return tokenizer;
  throw new InputError(
    `The ${tokenizer.kind} tokenizer has ${tokenizer.vocabSize} tokens, and the model knows V = ${V}. Give the ` +
      "tokenizer that the model was trained with.",
  );
}

/**
 * The tokenizer that belongs to a model of vocabulary `V`: the one that lies beside its file, else GPT-2's for GPT-2's
 * vocabulary. A file with another number of tokens belongs to another model, and is passed over.
 */
export async function tokenizerOf(modelPath: string | undefined, V: number): Promise<Tokenizer | undefined> {
  const found = modelPath === undefined ? undefined : await findTokenizer(modelPath);
  if (found?.vocabSize === V) return found;
  return V === GPT2_VOCABULARY ? gpt2Tokenizer() : undefined;
}

/**
 * What a text begins after when there is no prompt: the end of another text, as in llm.c. Small vocabularies without an
 * end-of-text token begin a new line, as nanoGPT does, or else with token 0.
 */
export function startTokenOf(tokenizer: Tokenizer | undefined, V: number): number {
  if (tokenizer?.endOfText !== undefined) return tokenizer.endOfText;
  if (V === GPT2_VOCABULARY) return GPT2_VOCABULARY - 1;
  const newline = tokenizer?.tokens().findIndex((bytes) => bytes.length === 1 && bytes[0] === 10) ?? -1;
  return Math.max(0, newline);
}
