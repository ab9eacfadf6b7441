/**
 * The tokenizers of models on the hub: `tokenizer.json`, or `vocab.json` and `merges.txt` in older ones. GPT-2's own is
 * recognised and ours is used. Another byte-level BPE is run by @huggingface/tokenizers. Its tokens are bytes written in
 * an alphabet of 256 visible characters.
 */
import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import { readSmallText } from "../format/source.ts";
import { gpt2Tokenizer } from "./gpt2.ts";
import { type EncodeOptions, type EncodeStream, sameTokens, type Tokenizer, VocabularyTokenizer } from "./tokenizer.ts";

type Json = Readonly<Record<string, unknown>>;

/** The tokenizer in a model's folder; undefined when there is none, InputError when it is one that cannot be read. */
export async function findHuggingFaceTokenizer(folder: string): Promise<Tokenizer | undefined> {
  const name = `${folder}/tokenizer.json`;
  const settings = recordOf(parse(await readText(`${folder}/tokenizer_config.json`)));
  const text = await readText(name);
  if (text !== undefined) return huggingFaceTokenizer(name, recordOf(parse(text)), settings);
  const [vocabulary, merges] = [await readText(`${folder}/vocab.json`), await readText(`${folder}/merges.txt`)];
  if (vocabulary === undefined || merges === undefined) return undefined;
  return huggingFaceTokenizer(`${folder}/vocab.json`, fromMerges(recordOf(parse(vocabulary)), merges), settings);
}

/** `json`: the content of tokenizer.json; `settings`: that of tokenizer_config.json, if there is one. */
export async function huggingFaceTokenizer(name: string, json: Json, settings: Json = {}): Promise<Tokenizer> {
  const model = recordOf(json.model);
  if (model.type !== "BPE" || !isByteLevel(json.decoder))
    throw new InputError(
      `${name}: its tokens are not bytes (${model.type ?? "no model"}, ${recordOf(json.decoder).type ?? "no decoder"}); ` +
        "llm-ts reads byte-level BPE, as GPT-2's. Without this file the model works with token ids alone.",
    );
  const added = addedTokens(json.added_tokens);
  const tokens = bytesById(name, recordOf(model.vocab), added);
  const gpt2 = await gpt2Tokenizer();
  if (sameTokens(tokens, gpt2.tokens())) return gpt2;
  const { Tokenizer } = await import("@huggingface/tokenizers");
  try {
    const library = new Tokenizer(json, settings);
    const ordinary = () => new Tokenizer({ ...json, added_tokens: ordinaryTokens(json.added_tokens) }, settings);
    return new HuggingFaceTokenizer(library, ordinary, tokens, library.token_to_id(endOfTextOf(settings)));
  } catch (error) {
    throw new InputError(`${name} cannot be read: ${String(error)}. Without it the model works with token ids alone.`, {
      cause: error,
    });
  }
}

class HuggingFaceTokenizer extends VocabularyTokenizer {
  readonly kind = "huggingface";
  readonly #library: Library;
  readonly #makeOrdinary: () => Library;
  /** The same without special tokens, made when it is first needed. */
  #ordinary: Library | undefined;

  constructor(
    library: Library,
    makeOrdinary: () => Library,
    tokens: readonly Uint8Array[],
    endOfText: number | undefined,
  ) {
    super(tokens, endOfText);
    this.#library = library;
    this.#makeOrdinary = makeOrdinary;
  }

  encode(text: string, { ordinary }: EncodeOptions = {}): number[] {
    if (ordinary) this.#ordinary ??= this.#makeOrdinary();
    const library = ordinary && this.#ordinary ? this.#ordinary : this.#library;
    return library.encode(text, { add_special_tokens: false }).ids;
  }

  /** How a piece is cut may depend on all that follows it, so the text is held until its end. */
  override encodeStream(options?: EncodeOptions): EncodeStream {
    let whole = "";
    return {
      push: (text) => {
        whole += text;
        return [];
      },
      end: () => {
        const ids = this.encode(whole, options);
        whole = "";
        return ids;
      },
    };
  }
}

/** What tokenizer.json would hold of a GPT-2 whose vocabulary and merges are files of their own. */
function fromMerges(vocab: Json, text: string): Json {
  const merges = text.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#version"));
  const content = "<|endoftext|>";
  return {
    added_tokens: Object.hasOwn(vocab, content)
      ? [
          {
            id: vocab[content],
            content,
            special: true,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: true,
          },
        ]
      : [],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: "BPE", vocab, merges },
  };
}

function isByteLevel(decoder: unknown): boolean {
  const { type, decoders } = recordOf(decoder);
  return type === "ByteLevel" || (type === "Sequence" && Array.isArray(decoders) && decoders.some(isByteLevel));
}

function addedTokens(list: unknown): Map<number, string> {
  const added = new Map<number, string>();
  for (const entry of Array.isArray(list) ? list : []) {
    const { id, content } = recordOf(entry);
    if (typeof id === "number" && typeof content === "string") added.set(id, content);
  }
  return added;
}

/** Added tokens that are words like any other, not marks such as the end of a text. */
function ordinaryTokens(list: unknown): unknown[] {
  return Array.isArray(list) ? list.filter((entry) => recordOf(entry).special !== true) : [];
}

const mostTokens = 1 << 20;

/** The bytes of every token. Ids that nobody uses have none. */
function bytesById(name: string, vocab: Json, added: ReadonlyMap<number, string>): Uint8Array[] {
  const tokens: Uint8Array[] = [];
  const set = (id: unknown, bytes: Uint8Array) => {
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0 || id >= mostTokens)
      throw new InputError(`${name}: ${JSON.stringify(id)} is no token id. Download it again.`);
    tokens[id] = bytes;
  };
  for (const [token, id] of Object.entries(vocab)) set(id, bytesOf(name, token));
  // Added tokens are written as they are.
  for (const [id, content] of added) set(id, new TextEncoder().encode(content));
  return Array.from(tokens, (bytes) => bytes ?? new Uint8Array(0));
}

let alphabet: ReadonlyMap<string, number> | undefined;

function bytesOf(name: string, token: string): Uint8Array {
  alphabet ??= byteAlphabet();
  const bytes = [];
  for (const character of token) {
    const byte = alphabet.get(character);
    // A special token may stand in the vocabulary as it is.
    if (byte === undefined) return new TextEncoder().encode(token);
    bytes.push(byte);
  }
  if (bytes.length === 0) throw new InputError(`${name} holds an empty token. Download it again.`);
  return Uint8Array.from(bytes);
}

/** GPT-2's characters for bytes: visible ones of Latin-1 stand for themselves, the others follow from U+0100 on. */
export function byteAlphabet(): ReadonlyMap<string, number> {
  const isVisible = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return new Map(
    Array.from({ length: 256 }, (_, byte) => [String.fromCharCode(isVisible(byte) ? byte : next++), byte]),
  );
}

function endOfTextOf({ eos_token: token }: Json): string {
  if (typeof token === "string") return token;
  const { content } = recordOf(token);
  return typeof content === "string" ? content : "<|endoftext|>";
}

function recordOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

/** Undefined for what is no JSON: what is missing then is told. */
function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return undefined;
  }
}

async function readText(path: string): Promise<string | undefined> {
  if ((await platform.pathKind(path)) !== "file") return undefined;
  return readSmallText(path, "No tokenizer is that long: download it again.");
}
