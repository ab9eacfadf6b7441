/**
 * GPT-2's tokenizer. The vocabulary comes from gpt-tokenizer's r50k_base; splitting and merging are done here, since
 * that library misses `<|endoftext|>` anywhere but at the start, takes JavaScript's white space for Unicode's, drops
 * byte order marks, and needs quadratic time for long pieces.
 */
import { addedToken } from "./added-tokens.ts";
import { ByteLevelText, utf8 } from "./byte-level.ts";
import { piecePatterns } from "./pieces.ts";
import { SectionTokenizer } from "./section-tokenizer.ts";
import type { VocabularyTokenizer } from "./tokenizer.ts";

const endOfText = "<|endoftext|>";

let loaded: Promise<VocabularyTokenizer> | undefined;

/** GPT-2's 50,257 tokens. `<|endoftext|>` in a text is the token of that name, unless it is `ordinary`. */
export function gpt2Tokenizer(): Promise<VocabularyTokenizer> {
  // The vocabulary is half a megabyte of source: only those who need it wait for it.
  loaded ??= import("gpt-tokenizer/bpeRanks/r50k_base").then((module) => makeTokenizer(module.default));
  return loaded;
}

/** In GPT-2 a token's id is the rank of its merge, and the bytes of two parts together identify the merge. */
function makeTokenizer(vocabulary: readonly (string | readonly number[])[]): VocabularyTokenizer {
  const ids = new Map(
    vocabulary.map((token, id) => [typeof token === "string" ? utf8(token) : String.fromCharCode(...token), id]),
  );
  const text = new ByteLevelText({
    rankOf: (bytes, start, _middle, end) => ids.get(bytes.slice(start, end)) ?? -1,
    ids,
    pieceEnd: piecePatterns.gpt2.endOf,
    wholePieces: true,
    prefixSpace: false,
  });
  const tokens = bytesOfTokens([...vocabulary, endOfText]);
  const end = addedToken({ id: vocabulary.length, content: endOfText, special: true });
  return new SectionTokenizer({ kind: "gpt2", tokens, endOfText: end.id, added: [end], text });
}

const encoder = new TextEncoder();

/** The bytes of each token, all in one buffer. */
function bytesOfTokens(tokens: readonly (string | readonly number[])[]): Uint8Array[] {
  // The longest character takes three bytes a code unit.
  const bytes = new Uint8Array(tokens.reduce((sum, token) => sum + 3 * token.length, 0));
  let start = 0;
  return tokens.map((token) => {
    const free = bytes.subarray(start);
    if (typeof token !== "string") free.set(token);
    const length = typeof token === "string" ? encoder.encodeInto(token, free).written : token.length;
    start += length;
    return free.subarray(0, length);
  });
}
