/**
 * The tokenizers of models on the hub: `tokenizer.json`, or `vocab.json` and `merges.txt` in older ones, with what the
 * files beside them add. GPT-2's own is recognised and ours is used. Other byte-level BPE that cuts text as GPT-2 does is
 * run by the same code, the rest by @huggingface/tokenizers. Its tokens are bytes written in an alphabet of 256 visible
 * characters.
 */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { hubTokenizerFiles } from "../format/huggingface-config.ts";
import { readSmallText } from "../format/source.ts";
import type { AddedToken } from "./added-tokens.ts";
import { type ByteLevelParts, ByteLevelText, binaryString } from "./byte-level.ts";
import { gpt2Tokenizer } from "./gpt2.ts";
import { libraryText } from "./library.ts";
import { piecePatterns } from "./pieces.ts";
import { type Around, SectionTokenizer } from "./section-tokenizer.ts";
import { sameTokens, type Tokenizer } from "./tokenizer.ts";
import {
  addedTokensOf,
  byteAlphabet,
  chatTemplateIn,
  isByteLevelDecoder,
  isGpt2Json,
  type Json,
  recordOf,
  specialNames,
} from "./tokenizer-json.ts";

/** The tokenizer in a model's folder; undefined when there is none, InputError when it is one that cannot be read. */
export async function findHuggingFaceTokenizer(folder: string): Promise<Tokenizer | undefined> {
  const files = new Map<string, string>();
  for (const name of hubTokenizerFiles) {
    const path = `${folder}/${name}`;
    if ((await platform.pathKind(path)) !== "file") continue;
    files.set(name, await readSmallText(path, "No tokenizer is that long: download it again."));
  }
  return huggingFaceTokenizer(files, `${folder}/`);
}

/**
 * The tokenizer of files by their names; undefined when there is neither tokenizer.json nor vocab.json with merges.txt.
 * `place` prefixes their names in messages.
 */
export async function huggingFaceTokenizer(
  files: ReadonlyMap<string, string>,
  place = "",
): Promise<Tokenizer | undefined> {
  const parsed = (name: string) => recordOf(parse(`${place}${name}`, files.get(name)));
  const isWhole = files.has("tokenizer.json");
  const [vocabulary, merges] = [files.get("vocab.json"), files.get("merges.txt")];
  if (!isWhole && (vocabulary === undefined || merges === undefined)) return undefined;
  const name = `${place}${isWhole ? "tokenizer.json" : "vocab.json"}`;
  const settings = { ...parsed("special_tokens_map.json"), ...parsed("tokenizer_config.json") };
  const json = isWhole ? parsed("tokenizer.json") : fromMerges(parsed("vocab.json"), merges ?? "");
  return makeTokenizer(name, withSettings(json, settings, parsed("added_tokens.json")), settings, files);
}

async function makeTokenizer(
  name: string,
  json: Json,
  settings: Json,
  files: ReadonlyMap<string, string>,
): Promise<Tokenizer> {
  const model = recordOf(json.model);
  if (model.type !== "BPE" || !isByteLevelDecoder(json.decoder))
    throw new InputError(
      `${name}: its tokens are not bytes (${model.type ?? "no model"}, ${recordOf(json.decoder).type ?? "no decoder"}); ` +
        "llm-ts reads byte-level BPE, as GPT-2's. Without this file the model works with token ids alone.",
    );
  const added = addedTokensOf(json);
  const vocab = recordOf(model.vocab);
  const tokens = bytesById(name, vocab, added);
  const gpt2 = await gpt2Tokenizer();
  const idOf = (name: string) => added.find(({ content }) => content === name)?.id ?? numberOf(vocab[name]);
  const end = idOf(endOfTextOf(settings));
  // A chat's eos_token ends its turns, and texts end with the token that begins one.
  const hasChat = chatTemplateIn(files) !== undefined;
  const border = hasChat ? idOf(nameOf(settings.bos_token) ?? "") : undefined;
  const endOfText = border ?? end;
  if (!hasChat && endOfText === gpt2.endOfText && sameTokens(tokens, gpt2.tokens()) && (await isGpt2Json(json)))
    return gpt2;
  const baseSize = Object.values(vocab).reduce<number>((size, id) => Math.max(size, (numberOf(id) ?? -1) + 1), 0);
  const around = aroundOf(json.post_processor);
  if (!around)
    throw new InputError(
      `${name}: its post_processor ${recordOf(json.post_processor).type} is not known. Without this file the model works ` +
        "with token ids alone.",
    );
  const specialIds = added.filter(({ special }) => special).map(({ id }) => id);
  const turnEnd = hasChat ? end : undefined;
  const parts = { kind: "huggingface", tokens, endOfText, specialIds, turnEnd, baseSize, around, files } as const;
  const text = byteLevelText(name, json);
  if (text) return new SectionTokenizer({ ...parts, added, text });
  // Those that are looked for in normalized text are the library's to find.
  const isNormalized = (token: AddedToken) => token.normalized && (json.normalizer ?? null) !== null;
  const library = await libraryText(name, json, settings, added.filter(isNormalized));
  return new SectionTokenizer({ ...parts, added: added.filter((token) => !isNormalized(token)), text: library });
}

/** Encoder of our own for a tokenizer; undefined if only the library implements its splitting rules. */
function byteLevelText(name: string, json: Json): ByteLevelText | undefined {
  const model = recordOf(json.model);
  const split = pieceSplitOf(json.pre_tokenizer);
  const suffixes = [model.continuing_subword_prefix, model.end_of_word_suffix];
  if (!split || (json.normalizer ?? null) !== null || suffixes.some((suffix) => (suffix ?? "") !== ""))
    return undefined;
  const ids = new Map<string, number>();
  for (const [token, id] of Object.entries(recordOf(model.vocab))) {
    const bytes = bytesIn(token);
    if (bytes && typeof id === "number") ids.set(binaryString(bytes), id);
  }
  if (Array.from({ length: 256 }, (_, byte) => ids.has(String.fromCharCode(byte))).includes(false)) return undefined;
  const ranks = ranksOf(name, model.merges, ids);
  return new ByteLevelText({
    rankOf: (bytes, start, middle, end) =>
      ranks.get(pairKey(bytes.slice(start, middle), bytes.slice(middle, end))) ?? -1,
    ids,
    ...split,
    wholePieces: model.ignore_merges === true,
  });
}

/** A pre-tokenizer that splits as GPT-2 or GPT-4 does; undefined for others. */
export function pieceSplitOf(preTokenizer: unknown): Pick<ByteLevelParts, "pieceEnd" | "prefixSpace"> | undefined {
  const pre = recordOf(preTokenizer);
  if (pre.type === "ByteLevel" && pre.use_regex !== false)
    return { pieceEnd: piecePatterns.gpt2.endOf, prefixSpace: pre.add_prefix_space === true };
  const [split, bytes] = (Array.isArray(pre.pretokenizers) ? pre.pretokenizers : []).map(recordOf);
  const isGpt4 =
    pre.type === "Sequence" &&
    Array.isArray(pre.pretokenizers) &&
    pre.pretokenizers.length === 2 &&
    split.type === "Split" &&
    recordOf(split.pattern).Regex === piecePatterns.gpt4.regex &&
    split.behavior === "Isolated" &&
    split.invert !== true &&
    bytes.type === "ByteLevel" &&
    bytes.use_regex === false &&
    bytes.add_prefix_space !== true;
  return isGpt4 ? { pieceEnd: piecePatterns.gpt4.endOf, prefixSpace: false } : undefined;
}

/** Separator: characters of bytes have codes below 256, so it occurs nowhere else. */
const pairKey = (left: string, right: string) => `${left}\u0100${right}`;

/** The merges' ranks by their pairs: "a b", or ["a", "b"]. */
function ranksOf(name: string, merges: unknown, ids: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  for (const [rank, merge] of (Array.isArray(merges) ? merges : []).entries()) {
    const [left, right] = (Array.isArray(merge) ? merge : String(merge).split(" ")).map((part) =>
      bytesIn(String(part)),
    );
    const pair = left && right ? [binaryString(left), binaryString(right)] : [];
    if (pair.length === 0 || !ids.has(pair.join("")))
      throw new InputError(
        `${name}: merge ${rank}, ${JSON.stringify(merge)}, makes no token of the vocabulary. Download it again.`,
      );
    ranks.set(pairKey(pair[0], pair[1]), ranks.get(pairKey(pair[0], pair[1])) ?? rank);
  }
  return ranks;
}

/** The ids that a post-processor puts around a prompt; undefined for an unknown one. */
function aroundOf(processor: unknown): Around | undefined {
  const { type, processors, single, special_tokens: special, cls, sep } = recordOf(processor);
  if (type === undefined || type === "ByteLevel") return { before: [], after: [] };
  if (type === "Sequence" && Array.isArray(processors)) {
    const all = processors.map(aroundOf);
    const before = all.flatMap((one) => one?.before ?? []);
    return all.includes(undefined) ? undefined : { before, after: all.flatMap((one) => one?.after ?? []) };
  }
  if (type === "RobertaProcessing" || type === "BertProcessing") {
    const idsOf = (pair: unknown) => (Array.isArray(pair) && typeof pair[1] === "number" ? [pair[1]] : []);
    return { before: idsOf(cls), after: idsOf(sep) };
  }
  if (type !== "TemplateProcessing" || !Array.isArray(single)) return undefined;
  const idsOf = (piece: unknown) => {
    const { ids } = recordOf(recordOf(special)[String(recordOf(recordOf(piece).SpecialToken).id)]);
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "number") : [];
  };
  const text = single.findIndex((piece) => recordOf(piece).Sequence !== undefined);
  if (text < 0) return undefined;
  return { before: single.slice(0, text).flatMap(idsOf), after: single.slice(text + 1).flatMap(idsOf) };
}

/** Equivalent tokenizer.json of a GPT-2 whose vocabulary and merges are files of their own. */
function fromMerges(vocab: Json, text: string): Json {
  const merges = text.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#version"));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: { type: "BPE", vocab, merges },
  };
}

/** A tokenizer.json with what the files beside it add: tokens, and a space before a text. */
function withSettings(json: Json, settings: Json, more: Json): Json {
  const vocab = recordOf(recordOf(json.model).vocab);
  const special = specialNames(settings);
  const listed = Array.isArray(json.added_tokens) ? json.added_tokens.map(recordOf) : [];
  const others: Json[] = [
    ...Object.entries(recordOf(settings.added_tokens_decoder)).map(([id, token]) => ({
      ...recordOf(token),
      id: Number(id),
    })),
    ...Object.entries(more).map(([content, id]) => ({ content, id })),
    ...[...special].map((content) => ({ content, id: vocab[content] })),
  ];
  // A token of the vocabulary keeps its id there.
  const added: Json[] = listed.map((token) => ({ ...token, id: vocab[String(token.content)] ?? token.id }));
  for (const token of others)
    if (
      Number.isSafeInteger(token.id) &&
      !added.some(({ id, content }) => id === token.id || content === token.content)
    )
      added.push({ special: special.has(String(token.content)), normalized: false, ...token });
  const pre = settings.add_prefix_space === true ? withPrefixSpace(json.pre_tokenizer) : json.pre_tokenizer;
  return { normalizer: null, post_processor: null, ...json, pre_tokenizer: pre ?? null, added_tokens: added };
}

function withPrefixSpace(preTokenizer: unknown): unknown {
  const pre = recordOf(preTokenizer);
  if (pre.type === "ByteLevel") return { ...pre, add_prefix_space: true };
  if (pre.type !== "Sequence" || !Array.isArray(pre.pretokenizers)) return preTokenizer;
  return { ...pre, pretokenizers: pre.pretokenizers.map(withPrefixSpace) };
}

const mostTokens = 1 << 20;

/** The bytes of every token; empty for unused ids. */
function bytesById(name: string, vocab: Json, added: readonly AddedToken[]): Uint8Array[] {
  const tokens: Uint8Array[] = [];
  const set = (id: unknown, bytes: Uint8Array) => {
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0 || id >= mostTokens)
      throw new InputError(`${name}: ${JSON.stringify(id)} is not a token id. Download it again.`);
    tokens[id] = bytes;
  };
  for (const [token, id] of Object.entries(vocab)) {
    if (token === "") throw new InputError(`${name} holds an empty token. Download it again.`);
    // A special token may be in the vocabulary literally.
    set(id, bytesIn(token) ?? new TextEncoder().encode(token));
  }
  // Added tokens are written as they are.
  for (const { id, content } of added) set(id, new TextEncoder().encode(content));
  return Array.from(tokens, (bytes) => bytes ?? new Uint8Array(0));
}

const alphabet = byteAlphabet();

/** Bytes of a token, one a character; undefined if a character is outside the byte alphabet. */
function bytesIn(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = alphabet.get(token[i]);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

function endOfTextOf({ eos_token: token }: Json): string {
  return nameOf(token) ?? "<|endoftext|>";
}

/** The name of a special token in settings. */
function nameOf(token: unknown): string | undefined {
  const name = typeof token === "string" ? token : recordOf(token).content;
  return typeof name === "string" ? name : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function parse(name: string, text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`${name} is not valid JSON: ${String(error)}. Download it again.`, { cause: error });
  }
}
