/** Encoding by @huggingface/tokenizers, for tokenizers that split text otherwise than GPT-2. */
import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { InputError } from "../errors.ts";
import { type AddedToken, AddedTokens } from "./added-tokens.ts";
import type { IdBuffer } from "./id-buffer.ts";
import { type Normalizer, normalizerOf } from "./normalizer.ts";
import type { TextEncoding } from "./section-tokenizer.ts";
import { asSplits } from "./splits.ts";
import { type Json, recordOf } from "./tokenizer-json.ts";

class LibraryText implements TextEncoding {
  /** True if the split of a piece may depend on all text after it. */
  readonly canStream = false;
  readonly #library: Library;
  readonly #normalize: Normalizer;
  /** Those that are looked for in normalized text. */
  readonly #added: AddedTokens;

  constructor(library: Library, normalize: Normalizer, added: readonly AddedToken[]) {
    this.#library = library;
    this.#normalize = normalize;
    this.#added = new AddedTokens(added.map((token) => ({ ...token, content: normalize(token.content) })));
  }

  begin(text: string): string {
    return this.#normalize(text);
  }

  encodeUntil(text: string, _limit: number, ids: IdBuffer): number {
    for (const { start, end, id } of this.#added.sections(text))
      if (id !== undefined) ids.push(id);
      else
        for (const one of this.#library.encode(text.slice(start, end), { add_special_tokens: false }).ids)
          ids.push(one);
    return text.length;
  }
}

/**
 * The encoding of a tokenizer.json's text between added tokens; it finds `added`, once the text is normalized, itself.
 * InputError when the library cannot make it.
 */
export async function libraryText(
  name: string,
  json: Json,
  settings: Json,
  added: readonly AddedToken[],
): Promise<TextEncoding> {
  const { Tokenizer } = await import("@huggingface/tokenizers");
  const plain = { ...json, added_tokens: [], post_processor: null, normalizer: null };
  const ownNormalizer = (normalizer: Json): Normalizer => {
    const model = { type: "BPE", vocab: {}, merges: [] };
    const made = new Tokenizer({ ...plain, model, pre_tokenizer: null, normalizer }, {}).normalizer;
    return (text) => made?.normalize(text) ?? text;
  };
  try {
    const library = new Tokenizer({ ...plain, pre_tokenizer: asSplits(json.pre_tokenizer) }, settings);
    return new LibraryText(library, normalizerOf(recordOf(json.normalizer), ownNormalizer), added);
  } catch (error) {
    throw new InputError(`${name} cannot be read: ${String(error)}. Without it the model works with token ids alone.`, {
      cause: error,
    });
  }
}
