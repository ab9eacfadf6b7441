/** Text that @huggingface/tokenizers encodes: for tokenizers that cut it in another way than GPT-2. */
import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { InputError } from "../errors.ts";
import type { AddedToken } from "./added-tokens.ts";
import type { IdBuffer } from "./id-buffer.ts";
import type { TextEncoding } from "./section-tokenizer.ts";
import { type Json, recordOf } from "./tokenizer-json.ts";

class LibraryText implements TextEncoding {
  /** How a piece is cut may depend on all that follows it. */
  readonly canStream = false;
  readonly #library: Library;

  constructor(library: Library) {
    this.#library = library;
  }

  begin(text: string): string {
    return text;
  }

  encodeUntil(text: string, _limit: number, ids: IdBuffer): number {
    for (const id of this.#library.encode(text, { add_special_tokens: false }).ids) ids.push(id);
    return text.length;
  }
}

/**
 * The encoding of a tokenizer.json's text between added tokens; it finds `added` itself. InputError when the library cannot
 * make it.
 */
export async function libraryText(
  name: string,
  json: Json,
  settings: Json,
  added: readonly AddedToken[],
): Promise<TextEncoding> {
  const { Tokenizer } = await import("@huggingface/tokenizers");
  const content = { ...json, added_tokens: added, post_processor: null, pre_tokenizer: inUnicode(json.pre_tokenizer) };
  try {
    return new LibraryText(new Tokenizer(content, settings));
  } catch (error) {
    throw new InputError(`${name} cannot be read: ${String(error)}. Without it the model works with token ids alone.`, {
      cause: error,
    });
  }
}

const gpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * The pre-tokenizer with splits in the place of what the library cuts by patterns of its own. Their white space is
 * JavaScript's, which holds U+FEFF and lacks U+0085; that of a split is Unicode's.
 */
function inUnicode(preTokenizer: unknown): unknown {
  const pre = recordOf(preTokenizer);
  const { type, pretokenizers: parts } = pre;
  if (type === "Sequence") return { ...pre, pretokenizers: Array.isArray(parts) ? parts.map(inUnicode) : [] };
  if (type === "Whitespace") return split("\\w+|[^\\w\\s]+", true);
  if (type === "WhitespaceSplit") return split("\\s+", false);
  if (type !== "ByteLevel") return preTokenizer;
  const space = { type: "Replace", pattern: { Regex: "\\A([^ ])" }, content: " $1" };
  const bytes = { ...pre, add_prefix_space: false, use_regex: false };
  const before = [
    ...(pre.add_prefix_space === true ? [space] : []),
    ...(pre.use_regex === false ? [] : [split(gpt2Pattern, true)]),
  ];
  return { type: "Sequence", pretokenizers: [...before, bytes] };
}

/** The pieces that match a pattern (`isPiece`), or those between its matches. */
function split(pattern: string, isPiece: boolean) {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Removed", invert: isPiece };
}
