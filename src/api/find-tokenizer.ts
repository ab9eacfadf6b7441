import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import { loadTokenizer } from "../tokenizer/load.ts";
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
 * The tokenizer that belongs to a model: what lies beside its file as tokenizer.bin or gpt2_tokenizer.bin, else GPT-2's
 * for GPT-2's vocabulary. A file of another vocabulary belongs to another model and is passed over.
 */
export async function findTokenizer(modelPath: string | undefined, V: number): Promise<Tokenizer | undefined> {
  if (modelPath !== undefined) {
    const folder = modelPath.replace(/[^/\\]*$/, "");
    for (const name of ["tokenizer.bin", "gpt2_tokenizer.bin"]) {
      const path = folder + name;
      if ((await platform.pathKind(path)) !== "file") continue;
      const tokenizer = await readTokenizer(path);
      if (tokenizer.vocabSize === V) return tokenizer;
    }
  }
  return V === GPT2_VOCABULARY ? gpt2Tokenizer() : undefined;
}

async function readTokenizer(path: string): Promise<Tokenizer> {
  const source = await platform.openSource(path);
  try {
    return await loadTokenizer(source);
  } finally {
    await source.close();
  }
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
