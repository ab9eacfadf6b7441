import { platform } from "#platform";
import { findTokenizer, readDataset } from "../data/dataset.ts";
import { InputError } from "../errors.ts";
import { adapterFiles } from "../format/adapter.ts";
import { readGgufHeader } from "../format/gguf-file.ts";
import { identify } from "../format/identify.ts";
import { withSource } from "../format/source.ts";
import { folderOf, nameOf } from "../platform/paths.ts";
import { tokenizerInGguf } from "../tokenizer/gguf-vocabulary.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import { fits, type Tokenizer } from "../tokenizer/tokenizer.ts";

export const gpt2Vocabulary = 50257;

/** True if a model of vocabulary `V` is assumed to use GPT-2's tokens by default: bare, or padded. */
export function isGpt2Vocabulary(V: number): boolean {
  // 50304 is the next multiple of 64 and of 128: nanoGPT's default, and what pad_to_multiple_of makes of it.
  return V === gpt2Vocabulary || V === 50304;
}

/** InputError when a tokenizer has more ids than a model of vocabulary `V`. */
export function requireFit(tokenizer: Tokenizer, V: number): Tokenizer {
  if (fits(tokenizer, V)) return tokenizer;
  throw new InputError(
    `The ${tokenizer.kind} tokenizer has ${tokenizer.vocabSize} tokens, and the model knows V = ${V}. Give the ` +
      "tokenizer that the model was trained with.",
  );
}

/**
 * The tokenizer that belongs to a model of vocabulary `V`: the one in its file (GGUF) or beside it, else GPT-2's for GPT-2's
 * vocabulary. InputError when one lies there that has more tokens than the model.
 */
export async function tokenizerOf(modelPath: string | undefined, V: number): Promise<Tokenizer | undefined> {
  const found =
    modelPath === undefined ? undefined : ((await tokenizerInside(modelPath)) ?? (await tokenizerBeside(modelPath, V)));
  if (found) return requireFit(found, V);
  return isGpt2Vocabulary(V) ? gpt2Tokenizer() : undefined;
}

async function tokenizerBeside(modelPath: string, V: number): Promise<Tokenizer | undefined> {
  const place = placeOf(modelPath);
  const found = await findTokenizer(place, V);
  // Beside llm.c's file of GPT-2 a smaller one may be that of data which was prepared there.
  const isSmaller = found !== undefined && V === gpt2Vocabulary && found.vocabSize < V;
  return isSmaller && (await holdsData(place)) ? undefined : found;
}

async function holdsData(path: string): Promise<boolean> {
  const folder = (await platform.pathKind(path)) === "folder" ? path : folderOf(path);
  return (await readDataset(folder)) !== undefined;
}

/** Where the tokenizer lies: an adapter's beside its folder, in the run's. */
function placeOf(modelPath: string): string {
  return nameOf(modelPath) === adapterFiles.weights ? folderOf(folderOf(modelPath)) : modelPath;
}

/** The tokenizer in a model's own file: GGUF. */
async function tokenizerInside(path: string): Promise<Tokenizer | undefined> {
  if ((await platform.pathKind(path)) !== "file") return undefined;
  return withSource(path, async (source) => {
    if ((await identify(source)) !== "gguf") return undefined;
    return tokenizerInGguf(path, (await readGgufHeader(source)).fields);
  });
}

/**
 * Start token of a text without a prompt: the end of another text, as in llm.c. Small vocabularies without an
 * end-of-text token begin a new line, as nanoGPT does, or else with token 0.
 */
export function startTokenOf(tokenizer: Tokenizer | undefined, V: number, endTokens: readonly number[]): number {
  const [end] = [tokenizer?.endOfText, ...endTokens].filter((token) => token !== undefined && token < V);
  if (end !== undefined) return end;
  if (!tokenizer && isGpt2Vocabulary(V)) return gpt2Vocabulary - 1;
  const newline = tokenizer?.tokens().findIndex((bytes) => bytes.length === 1 && bytes[0] === 10) ?? -1;
  return Math.max(0, newline);
}
