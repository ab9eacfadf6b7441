import { tokenizerOf } from "../api/model-tokenizer.ts";
import { InputError } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** The tokenizer of a model file; undefined, and a word about it, when none fits. */
export async function tokenizerFor(
  modelPath: string,
  V: number,
  say: (text: string) => void,
): Promise<Tokenizer | undefined> {
  let problem = `No tokenizer of ${V} tokens lies beside ${modelPath}: the model works with token ids alone.`;
  const tokenizer = await tokenizerOf(modelPath, V).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    problem = error.message;
    return undefined;
  });
  if (!tokenizer) say(problem);
  return tokenizer;
}
