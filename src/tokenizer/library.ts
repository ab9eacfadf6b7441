/**
 * Encoding by @huggingface/tokenizers, for tokenizers that split text otherwise than GPT-2; normalizing and splitting are done
 * here where that library differs from Hugging Face's tokenizers.
 */
import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { InputError } from "../errors.ts";
import { type AddedToken, AddedTokens } from "./added-tokens.ts";
import type { IdBuffer } from "./id-buffer.ts";
import { piecePatterns } from "./pieces.ts";
import type { TextEncoding } from "./section-tokenizer.ts";
import { type Json, recordOf } from "./tokenizer-json.ts";

type Normalizer = (text: string) => string;

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

/** The normalizer of a tokenizer.json, as Hugging Face's tokenizers normalize; `other` makes those that are not done here. */
function normalizerOf(config: unknown, other: (config: Json) => Normalizer): Normalizer {
  const json = recordOf(config);
  switch (json.type) {
    case undefined:
      return (text) => text;
    case "Sequence": {
      const all = (Array.isArray(json.normalizers) ? json.normalizers : []).map((one) => normalizerOf(one, other));
      return (text) => all.reduce((done, normalize) => normalize(done), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = json.type;
      return (text) => text.normalize(form);
    }
    case "Lowercase":
      return lowercase;
    case "StripAccents":
      return (text) => text.replace(/\p{Mn}/gu, "");
    case "Strip":
      return (text) => stripped(text, json.strip_left === true, json.strip_right === true);
    case "Prepend":
      return (text) => (text === "" ? "" : String(json.prepend) + text);
    default:
      return other(json);
  }
}

/** Character by character: a sigma at a word's end is one like any other. */
function lowercase(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join("");
}

/** Without the white space of Unicode, which is not JavaScript's, at its ends. */
function stripped(text: string, left: boolean, right: boolean): string {
  const start = left ? text.search(/\P{White_Space}|$/u) : 0;
  const rest = text.slice(start);
  if (!right) return rest;
  let end = rest.length;
  while (end > 0 && /\p{White_Space}/u.test(rest[end - 1])) end--;
  return rest.slice(0, end);
}

const punctuation = "[\\p{P}!-/:-@\\[-`{-~]";

/**
 * A tokenizer.json's pre-tokenizer in the few forms that the library does as Hugging Face's tokenizers do: splits by a
 * regular expression, whose matches are pieces among others (`Isolated`) or the only ones, or not pieces at all (`Removed`).
 * The library takes JavaScript's white space and digits for Unicode's elsewhere, and knows no other behaviour of a split.
 */
function asSplits(preTokenizer: unknown): unknown {
  const pre = recordOf(preTokenizer);
  switch (pre.type) {
    case "Sequence":
      return sequence(Array.isArray(pre.pretokenizers) ? pre.pretokenizers.map(asSplits) : []);
    case "Whitespace":
      return onlyMatches("\\w+|[^\\w\\s]+");
    case "WhitespaceSplit":
      return split("\\s+", "Removed");
    case "CharDelimiterSplit":
      return split(escaped(String(pre.delimiter)), "Removed");
    case "Digits":
      return split("\\p{N}", pre.individual_digits === true ? "Isolated" : "Contiguous");
    case "Punctuation":
      return split(punctuation, pre.behavior);
    case "FixedLength":
      return split(`[\\s\\S]{1,${Number(pre.length)}}`, "Isolated");
    case "Split":
      return ownSplit(pre);
    case "ByteLevel":
      return byteLevel(pre);
    default:
      return preTokenizer;
  }
}

function byteLevel(pre: Json): unknown {
  const space = { type: "Replace", pattern: { Regex: "\\A([^ ])" }, content: " $1" };
  const bytes = { ...pre, add_prefix_space: false, use_regex: false };
  return sequence([
    ...(pre.add_prefix_space === true ? [space] : []),
    ...(pre.use_regex === false ? [] : [onlyMatches(piecePatterns.gpt2.regex)]),
    bytes,
  ]);
}

/** A split of the tokenizer's own. Of an inverted one, matches and what is between them change places. */
function ownSplit(pre: Json): unknown {
  const { Regex: regex, String: text } = recordOf(pre.pattern);
  const pattern = typeof regex === "string" ? regex : escaped(String(text));
  if (pre.invert !== true) return split(pattern, pre.behavior);
  if (pre.behavior === "Removed") return onlyMatches(pattern);
  return split(pattern, inverse[String(pre.behavior)] ?? pre.behavior);
}

const inverse: Readonly<Record<string, string>> = {
  MergedWithPrevious: "MergedWithNext",
  MergedWithNext: "MergedWithPrevious",
};

function split(pattern: string, behavior: unknown = "Isolated"): unknown {
  const between = `(?:(?!(?:${pattern}))[\\s\\S])*`;
  const patterns: Readonly<Record<string, string>> = {
    MergedWithPrevious: `${between}(?:${pattern})`,
    MergedWithNext: `(?:${pattern})${between}`,
    Contiguous: `(?:${pattern})+`,
  };
  const isRemoved = behavior === "Removed";
  return {
    type: "Split",
    pattern: { Regex: patterns[String(behavior)] ?? pattern },
    behavior: isRemoved ? "Removed" : "Isolated",
    invert: false,
  };
}

/** Drops the text between matches. */
function onlyMatches(pattern: string): unknown {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Removed", invert: true };
}

const sequence = (pretokenizers: readonly unknown[]) => ({ type: "Sequence", pretokenizers });

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
