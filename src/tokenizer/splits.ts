/**
 * A tokenizer.json's pre-tokenizer in the few forms that the library does as Hugging Face's tokenizers do: splits by a
 * regular expression, whose matches are pieces among others (`Isolated`) or the only ones, or not pieces at all (`Removed`).
 * The library takes JavaScript's white space and digits for Unicode's elsewhere, and knows no other behaviour of a split.
 */
import { piecePatterns } from "./pieces.ts";
import { type Json, recordOf } from "./tokenizer-json.ts";

const punctuation = "[\\p{P}!-/:-@\\[-`{-~]";

/** The pre-tokenizer as splits. */
export function asSplits(preTokenizer: unknown): unknown {
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
