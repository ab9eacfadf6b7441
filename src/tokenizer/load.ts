import { InputError } from "../errors.ts";
import { readVocabulary, type Vocabulary } from "../format/tokenizer.ts";
import type { ByteSource } from "../platform/platform.ts";
import { byteTokenizer } from "./byte.ts";
import { charTokenizer } from "./char.ts";
import { gpt2Tokenizer } from "./gpt2.ts";
import { sameTokens, type Tokenizer, type TokenizerKind, VocabularyTokenizer } from "./tokenizer.ts";

/** A vocabulary without known splitting rules: it can decode only. */
class UnknownTokenizer extends VocabularyTokenizer {
  readonly kind = "unknown";
  readonly #name: string;

  constructor(name: string, { tokens, endOfText }: Vocabulary) {
    super(tokens, endOfText);
    this.#name = name;
  }

  encode(): number[] {
    throw new InputError(
      `${this.#name} holds ${this.vocabSize} tokens of an unknown tokenizer: it can decode, but not encode text. ` +
        "Encode with llm-ts prepare --tokenizer gpt2, char or byte, and train with that.",
    );
  }
}

/**
 * The tokenizer of an llm.c tokenizer file. The file holds only the tokens; the splitting rules are given by `kind`
 * (dataset.json beside it has it), else by the tokens themselves: GPT-2's, the 256 bytes, or single characters.
 */
export async function loadTokenizer(source: ByteSource, kind?: TokenizerKind): Promise<Tokenizer> {
  const vocabulary = await readVocabulary(source);
  const found = await recognise(vocabulary, kind === "huggingface" ? undefined : kind);
  if (found) return found;
  // The hub's tokenizers have their splitting rules in their own files.
  if (kind === undefined || kind === "huggingface" || kind === "unknown")
    return new UnknownTokenizer(source.name, vocabulary);
  throw new InputError(
    `${source.name} holds ${vocabulary.tokens.length} tokens that are not those of the ${kind} tokenizer, as which ` +
      "the dataset.json beside it describes it. Prepare the data again.",
  );
}

async function recognise({ tokens }: Vocabulary, kind: TokenizerKind | undefined): Promise<Tokenizer | undefined> {
  const isKind = (candidate: TokenizerKind) => kind === undefined || kind === candidate;
  if (tokens.length === 256 && isKind("byte")) {
    const byte = byteTokenizer();
    if (sameTokens(tokens, byte.tokens())) return byte;
  }
  if (isKind("char")) {
    const characters = asCharacters(tokens);
    if (characters) return charTokenizer(characters);
  }
  if (tokens.length === 50257 && isKind("gpt2")) {
    const gpt2 = await gpt2Tokenizer();
    if (sameTokens(tokens, gpt2.tokens())) return gpt2;
  }
  return undefined;
}

/** The tokens as characters, where each is a single code point and none occurs twice. */
function asCharacters(tokens: readonly Uint8Array[]): string[] | undefined {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const characters: string[] = [];
  for (const token of tokens) {
    if (token.length > 4) return undefined;
    try {
      const text = decoder.decode(token);
      if ([...text].length !== 1) return undefined;
      characters.push(text);
    } catch {
      return undefined;
    }
  }
  return new Set(characters).size === characters.length ? characters : undefined;
}
