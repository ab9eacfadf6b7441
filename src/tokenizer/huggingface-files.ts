/**
 * GPT-2's tokenizer as the files that transformers and transformers.js read: tokenizer.json with tokenizer_config.json,
 * and the older vocab.json and merges.txt, which are OpenAI's encoder.json and vocab.bpe byte for byte.
 */
import { gpt2Tokenizer } from "./gpt2.ts";
import { byteAlphabet } from "./tokenizer-json.ts";

const bytes = 256;

/** The files' texts by their names; `maxT` is the longest sequence that the model takes. */
export async function gpt2HuggingFaceFiles(maxT: number): Promise<Readonly<Record<string, string>>> {
  const all = (await gpt2Tokenizer()).tokens();
  const endOfText = { id: all.length - 1, content: "<|endoftext|>" };
  const tokens = all.slice(0, -1).map((token) => String.fromCharCode(...token));
  const merges = mergesOf(tokens).map((pair) => pair.map(visible).join(" "));
  const vocab = [...tokens.map(visible), endOfText.content];
  const settings = { add_prefix_space: false, trim_offsets: true, use_regex: true };
  const byteLevel = { type: "ByteLevel", ...settings };
  return {
    "tokenizer.json": JSON.stringify({
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [
        { ...endOfText, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
      ],
      normalizer: null,
      pre_tokenizer: byteLevel,
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
    "tokenizer_config.json": `${JSON.stringify(
      {
        tokenizer_class: "GPT2Tokenizer",
        add_prefix_space: false,
        bos_token: endOfText.content,
        eos_token: endOfText.content,
        unk_token: endOfText.content,
        model_max_length: maxT,
      },
      null,
      2,
    )}\n`,
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
const characters = [...byteAlphabet()].sort(([, a], [, b]) => a - b).map(([character]) => character);

function visible(token: string): string {
  return Array.from(token, (byte) => characters[byte.charCodeAt(0)]).join("");
}

/** JSON as Python writes it: ASCII alone. */
function asciiJson(text: string): string {
  return JSON.stringify(text).replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
