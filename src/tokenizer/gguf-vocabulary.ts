/**
 * A tokenizer as the fields of a GGUF file, whose "gpt2" is byte-level BPE: tokens in GPT-2's visible characters, merges as
 * pairs of them, and the name of a split that llama.cpp knows.
 */
import { InputError, UsageError } from "../errors.ts";
import type { GgufFields, GgufMetadata } from "../format/gguf-file.ts";
import { byteTokenizer } from "./byte.ts";
import { charTokenizer } from "./char.ts";
import { huggingFaceTokenizer, pieceSplitOf } from "./huggingface.ts";
import { byteLevelTokenizerFiles, fromVisible, gpt2HuggingFaceFiles, visible } from "./huggingface-files.ts";
import { piecePatterns } from "./pieces.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { addedTokensOf, chatTemplateIn, recordOf } from "./tokenizer-json.ts";

/** llama.cpp's names of the splits. That of GPT-4's pattern is DBRX's: "llama-bpe" would take whole words without merges. */
const splitNames = { gpt2: "gpt-2", gpt4: "dbrx" } as const;

/** llama.cpp's numbers of kinds of tokens. */
const kinds = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;

interface Vocabulary {
  readonly tokens: readonly string[];
  readonly merges: readonly string[];
  readonly split: keyof typeof splitNames;
  /** Ids of tokens that are written literally, and whether they are special. */
  readonly added: ReadonlyMap<number, boolean>;
}

/** What a user has to know about a tokenizer in GGUF; undefined where it is what it was. */
export function ggufRemark(tokenizer: Tokenizer | undefined, endTokens: readonly number[]): string | undefined {
  if (!canEncode(tokenizer)) return "no tokenizer is in the GGUF file: llama.cpp takes and gives token ids";
  if (endTokens.length > 0) return undefined;
  const end = JSON.stringify(tokenizer.decode([rarest(tokenizer)]));
  return `this vocabulary has no token that ends a text, and llama.cpp needs one: there it ends at ${end}`;
}

function canEncode(tokenizer: Tokenizer | undefined): tokenizer is Tokenizer {
  return tokenizer !== undefined && tokenizer.kind !== "unknown";
}

/** The fields for a model of `V` tokens. UsageError for a tokenizer whose split llama.cpp does not know. */
export async function ggufVocabulary(
  tokenizer: Tokenizer | undefined,
  V: number,
  endTokens: readonly number[],
): Promise<GgufMetadata> {
  if (!canEncode(tokenizer)) return { "tokenizer.ggml.model": "none" };
  const { tokens, merges, split, added } = await vocabularyOf(tokenizer);
  const unused = Array.from({ length: Math.max(0, V - tokens.length) }, (_, i) => `[PAD${tokens.length + i}]`);
  const all = [...tokens, ...unused].slice(0, V);
  const kindOf = (id: number) => {
    if (id >= tokens.length || all[id] === "") return kinds.unused;
    const special = added.get(id);
    return special === undefined ? kinds.normal : special ? kinds.control : kinds.userDefined;
  };
  const end = endTokens.find((id) => id < V) ?? rarest(tokenizer);
  const template = tokenizer.files && chatTemplateIn(tokenizer.files);
  const turnEnd = template !== undefined && tokenizer.turnEnd !== undefined ? tokenizer.turnEnd : end;
  return {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": splitNames[split],
    "tokenizer.ggml.tokens": { strings: all.map((token, id) => (token === "" ? `[UNUSED${id}]` : token)) },
    "tokenizer.ggml.token_type": { i32s: all.map((_, id) => kindOf(id)) },
    "tokenizer.ggml.merges": { strings: merges },
    "tokenizer.ggml.bos_token_id": { u32: end },
    "tokenizer.ggml.eos_token_id": { u32: turnEnd },
    "tokenizer.ggml.add_bos_token": false,
    ...(template !== undefined && { "tokenizer.chat_template": template }),
    "llm-ts.tokenizer": tokenizer.kind,
  };
}

async function vocabularyOf(tokenizer: Tokenizer): Promise<Vocabulary> {
  const { kind } = tokenizer;
  const tokens = tokenizer.tokens().map((bytes) => visible(String.fromCharCode(...bytes)));
  if (kind === "byte") return { tokens, merges: [], split: "gpt2", added: new Map() };
  if (kind === "char") return { tokens, merges: characterMerges(tokens), split: "gpt2", added: new Map() };
  const text = tokenizer.files?.get("tokenizer.json") ?? (await gpt2HuggingFaceFiles(1))["tokenizer.json"];
  const json = recordOf(JSON.parse(text));
  const model = recordOf(json.model);
  const pieceEnd = pieceSplitOf(json.pre_tokenizer)?.pieceEnd;
  const split = (["gpt2", "gpt4"] as const).find((name) => piecePatterns[name].endOf === pieceEnd);
  if (!split || (json.normalizer ?? null) !== null)
    throw new UsageError(
      `GGUF cannot hold this tokenizer: llama.cpp has no name for its ${split ? "normalizer" : "pre_tokenizer"}. Convert to ` +
        "safetensors.",
    );
  const added = addedTokensOf(json);
  for (const { id, content } of added) tokens[id] = content;
  const merges = Array.isArray(model.merges) ? model.merges : [];
  return {
    tokens,
    merges: merges.map((merge) => (Array.isArray(merge) ? merge.join(" ") : String(merge))),
    split,
    added: new Map(added.map(({ id, special }) => [id, special])),
  };
}

/** Merges that put the bytes of characters together, from the left. Bytes of two characters are never merged. */
function characterMerges(characters: readonly string[]): string[] {
  const merges = new Set<string>();
  for (const character of characters)
    for (let end = 1; end < character.length; end++) merges.add(`${character.slice(0, end)} ${character[end]}`);
  return [...merges];
}

/** A character that hardly any text needs, for a vocabulary without a token that ends one. */
function rarest(tokenizer: Tokenizer): number {
  const tokens = tokenizer.tokens();
  for (const character of "\0\v\f~^`|\\$&@#")
    for (const [id, token] of tokens.entries())
      if (token.length === 1 && token[0] === character.charCodeAt(0)) return id;
  return tokens.length - 1;
}

/** The tokens that end a text; undefined where the file names none, or one for llama.cpp alone. */
export function endTokensInGguf(fields: GgufFields): readonly number[] | undefined {
  const { "tokenizer.ggml.eos_token_id": end, "llm-ts.tokenizer": kind, "tokenizer.chat_template": template } = fields;
  // The tokenizer of a chat has both: the end of a text, and of a turn.
  if (typeof template === "string" && kind === "huggingface") return undefined;
  return typeof end === "number" && kind !== "byte" && kind !== "char" ? [end] : undefined;
}

/** The tokenizer in a GGUF file's fields; undefined where there is none that llm-ts reads. InputError for damaged lists. */
export async function tokenizerInGguf(name: string, fields: GgufFields): Promise<Tokenizer | undefined> {
  const { "tokenizer.ggml.model": model, "tokenizer.ggml.pre": pre, "llm-ts.tokenizer": kind } = fields;
  if (model !== "gpt2") return undefined;
  const tokens = textsIn(name, fields, "tokenizer.ggml.tokens");
  if (kind === "byte" && tokens.length === 256) return byteTokenizer();
  if (kind === "char") return charTokenizer(tokens.map(fromVisible));
  const split = pre === splitNames.gpt4 || pre === "llama-bpe" ? "gpt4" : "gpt2";
  if (split === "gpt2" && pre !== undefined && pre !== splitNames.gpt2) return undefined;
  const { "tokenizer.ggml.token_type": types, "tokenizer.ggml.eos_token_id": end } = fields;
  const isSpecial = (id: number) => Array.isArray(types) && [kinds.control, kinds.userDefined].includes(types[id]);
  const special = tokens.flatMap((_, id) => (isSpecial(id) ? [id] : []));
  const isPadding = (id: number) => Array.isArray(types) && types[id] === kinds.unused;
  const used = tokens.filter((_, id) => !isPadding(id));
  const merges = textsIn(name, fields, "tokenizer.ggml.merges");
  const nameOf = (id: unknown) => (typeof id === "number" ? tokens[id] : undefined);
  const { "tokenizer.chat_template": template, "tokenizer.ggml.bos_token_id": begin } = fields;
  const chat = typeof template === "string" ? { template, turnEnd: nameOf(end) } : undefined;
  const endToken = nameOf(chat ? (begin ?? end) : end);
  const files = byteLevelTokenizerFiles({ vocab: used, merges, special, split, endToken, chat });
  return huggingFaceTokenizer(files, `${name}: `);
}

function textsIn(name: string, fields: GgufFields, field: string): readonly string[] {
  const list = fields[field];
  if (Array.isArray(list) && list.every((text) => typeof text === "string")) return list;
  throw new InputError(`${name}: "${field}" is ${list === undefined ? "missing" : "no list of texts"}.`);
}
