/** Fields of tokenizer.json and the files beside it. */
import { platform } from "#platform";
import { isObject } from "../format/json.ts";
import { type AddedToken, AddedTokens } from "./added-tokens.ts";

export type Json = Readonly<Record<string, unknown>>;

export function recordOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

export function isByteLevelDecoder(decoder: unknown): boolean {
  const { type, decoders } = recordOf(decoder);
  return type === "ByteLevel" || (type === "Sequence" && Array.isArray(decoders) && decoders.some(isByteLevelDecoder));
}

/** The tokens in `added_tokens` of a tokenizer.json. */
export function addedTokensOf({ added_tokens: list }: Json): AddedToken[] {
  const added: AddedToken[] = [];
  for (const entry of Array.isArray(list) ? list : []) {
    const { id, content, special, normalized = special !== true, lstrip, rstrip, single_word } = recordOf(entry);
    if (typeof id !== "number" || typeof content !== "string") continue;
    added.push({
      id,
      content,
      special: special === true,
      normalized: normalized === true,
      lstrip: lstrip === true,
      rstrip: rstrip === true,
      singleWord: single_word === true,
    });
  }
  return added;
}

/** The names of special tokens in tokenizer_config.json and special_tokens_map.json; GPT-2's are there by default. */
export function specialNames(settings: Json): Set<string> {
  const names = new Set(["<|endoftext|>"]);
  for (const [field, value] of Object.entries(settings))
    if (/_token$|^additional_special_tokens$/.test(field))
      for (const token of Array.isArray(value) ? value : [value]) {
        const content = typeof token === "string" ? token : recordOf(token).content;
        if (typeof content === "string") names.add(content);
      }
  return names;
}

/** The chat template in a tokenizer's files: transformers has it in tokenizer_config.json, lately in a file of its own. */
export function chatTemplateIn(files: ReadonlyMap<string, string>): string | undefined {
  const { chat_template: template } = recordOf(JSON.parse(files.get("tokenizer_config.json") ?? "{}"));
  if (typeof template === "string") return template;
  const named = (Array.isArray(template) ? template.map(recordOf) : []).find(({ name }) => name === "default");
  return typeof named?.template === "string" ? named.template : files.get("chat_template.jinja");
}

/** GPT-2's characters for bytes: visible ones of Latin-1 stand for themselves, the others follow from U+0100 on. */
export function byteAlphabet(): ReadonlyMap<string, number> {
  const isVisible = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return new Map(
    Array.from({ length: 256 }, (_, byte) => [String.fromCharCode(isVisible(byte) ? byte : next++), byte]),
  );
}

/** sha256 of GPT-2's merges.txt, OpenAI's vocab.bpe. */
const mergesHash = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5";

/** True if a tokenizer.json of GPT-2's tokens also has its merges and settings, so that it encodes as GPT-2's does. */
export async function isGpt2Json(json: Json): Promise<boolean> {
  const model = recordOf(json.model);
  const pre = recordOf(json.pre_tokenizer);
  const added = addedTokensOf(json);
  return (
    (json.normalizer ?? null) === null &&
    pre.type === "ByteLevel" &&
    pre.add_prefix_space !== true &&
    pre.use_regex !== false &&
    [undefined, "ByteLevel"].includes(recordOf(json.post_processor).type as string | undefined) &&
    (model.continuing_subword_prefix ?? "") === "" &&
    (model.end_of_word_suffix ?? "") === "" &&
    added.length === 1 &&
    added[0].content === "<|endoftext|>" &&
    new AddedTokens(added).isLocal &&
    (await hashOf(model.merges)) === mergesHash
  );
}

async function hashOf(merges: unknown): Promise<string> {
  const lines = (Array.isArray(merges) ? merges : []).map((merge) => (Array.isArray(merge) ? merge.join(" ") : merge));
  const hash = await platform.sha256();
  hash.update(new TextEncoder().encode(`#version: 0.2\n${lines.join("\n")}\n`));
  return hash.digest();
}
