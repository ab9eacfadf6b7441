/**
 * A tokenizer as the files that transformers and transformers.js read: tokenizer.json with tokenizer_config.json, and the
 * older vocab.json and merges.txt. GPT-2's are OpenAI's encoder.json and vocab.bpe byte for byte.
 */
import { gpt2Tokenizer } from "./gpt2.ts";
import { type PiecePattern, piecePatterns } from "./pieces.ts";
import { byteAlphabet } from "./tokenizer-json.ts";
import type { BpeVocabulary } from "./train-bpe.ts";

const bytes = 256;

/** The files' texts by their names; `maxT` is the longest sequence that the model takes. */
export async function gpt2HuggingFaceFiles(maxT: number): Promise<Readonly<Record<string, string>>> {
  const all = (await gpt2Tokenizer()).tokens();
  const endOfText = "<|endoftext|>";
  const tokens = all.slice(0, -1).map((token) => String.fromCharCode(...token));
  return byteLevelFiles({
    vocab: [...tokens.map(visible), endOfText],
    merges: mergesOf(tokens).map((pair) => pair.map(visible).join(" ")),
    special: [all.length - 1],
    preTokenizer: byteLevel,
    settings: {
      tokenizer_class: "GPT2Tokenizer",
      add_prefix_space: false,
      bos_token: endOfText,
      eos_token: endOfText,
      unk_token: endOfText,
      model_max_length: maxT,
    },
  });
}

/** The files of a vocabulary that was trained with a pattern. The first special token, if any, ends a text. */
export function trainedFiles(
  { tokens, merges }: BpeVocabulary,
  special: readonly string[],
  split: PiecePattern,
): ReadonlyMap<string, string> {
  const vocab = tokens.map((token, id) => (id < special.length ? token : visible(token)));
  return byteLevelTokenizerFiles({
    vocab,
    merges: merges.map(([first, second]) => `${vocab[first]} ${vocab[second]}`),
    special: special.map((_, id) => id),
    split,
    endToken: special[0],
  });
}

export interface ByteLevelVocabulary extends Pick<ByteLevelFiles, "vocab" | "merges" | "special"> {
  readonly split: PiecePattern;
  readonly endToken?: string;
  /** Of a model that has learned conversations: its template, and the token that ends a turn. */
  readonly chat?: { readonly template: string; readonly turnEnd?: string };
}

/** The files of a byte-level BPE other than GPT-2's. */
export function byteLevelTokenizerFiles({
  split,
  endToken: end,
  chat,
  ...vocabulary
}: ByteLevelVocabulary): ReadonlyMap<string, string> {
  const pieces = { type: "Split", pattern: { Regex: piecePatterns[split].regex }, behavior: "Isolated", invert: false };
  const files = byteLevelFiles({
    ...vocabulary,
    preTokenizer:
      split === "gpt2" ? byteLevel : { type: "Sequence", pretokenizers: [pieces, { ...byteLevel, use_regex: false }] },
    settings: {
      tokenizer_class: "PreTrainedTokenizerFast",
      clean_up_tokenization_spaces: false,
      ...(end !== undefined && { bos_token: end, eos_token: end, pad_token: end }),
      ...(chat?.turnEnd !== undefined && { eos_token: chat.turnEnd, chat_template: chat.template }),
    },
  });
  return new Map(Object.entries(files));
}

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

interface ByteLevelFiles {
  /** Tokens by id, in GPT-2's visible characters but for special ones. */
  readonly vocab: readonly string[];
  /** "a b", in order of rank. */
  readonly merges: readonly string[];
  readonly special: readonly number[];
  readonly preTokenizer: object;
  /** Content of tokenizer_config.json. */
  readonly settings: object;
}

function byteLevelFiles({ vocab, merges, special, preTokenizer, settings }: ByteLevelFiles): Record<string, string> {
  return {
    "tokenizer.json": JSON.stringify({
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: special.map((id) => ({
        id,
        content: vocab[id],
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      normalizer: null,
      pre_tokenizer: preTokenizer,
      post_processor: { ...byteLevel, trim_offsets: false },
      decoder: byteLevel,
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: "",
        end_of_word_suffix: "",
        fuse_unk: false,
        byte_fallback: false,
        vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
        merges,
      },
    }),
    "tokenizer_config.json": `${JSON.stringify(settings, null, 2)}\n`,
    "vocab.json": `{${vocab.map((token, id) => `${asciiJson(token)}: ${id}`).join(", ")}}`,
    "merges.txt": `#version: 0.2\n${merges.join("\n")}\n`,
  };
}

/** The pair that each token beyond the bytes was merged from, in order. Tokens hold a character for each byte. */
function mergesOf(tokens: readonly string[]): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  return tokens.slice(bytes).map((token) => lastPair(token, ids));
}

/** Merges a token's bytes, the earliest merge first, until two parts are left: those that made it. */
function lastPair(token: string, ids: ReadonlyMap<string, number>): [string, string] {
  const parts = [...token];
  while (parts.length > 2) {
    let best = 0;
    let lowest = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < parts.length; i++) {
      const id = ids.get(parts[i] + parts[i + 1]) ?? Number.POSITIVE_INFINITY;
      if (id < lowest) [best, lowest] = [i, id];
    }
    parts.splice(best, 2, parts[best] + parts[best + 1]);
  }
  const [first, second] = parts;
  return [first, second];
}

/** GPT-2's visible character for each byte. */
const alphabet = byteAlphabet();
const characters = [...alphabet].sort(([, a], [, b]) => a - b).map(([character]) => character);

/** The visible form of bytes, of which `token` has one a character. */
export function visible(token: string): string {
  return Array.from(token, (byte) => characters[byte.charCodeAt(0)]).join("");
}

/** The text that the visible form of its bytes stands for. */
export function fromVisible(token: string): string {
  return new TextDecoder().decode(Uint8Array.from(token, (character) => alphabet.get(character) ?? 0));
}

/** JSON as Python writes it: ASCII alone. */
function asciiJson(text: string): string {
  return JSON.stringify(text).replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
