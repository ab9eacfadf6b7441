/** Data sets of items with fields, one document or example each: .jsonl and .parquet. */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { withSource } from "../format/source.ts";
import { type Item, readJsonl } from "./jsonl.ts";
import { parquetColumns, readParquet } from "./parquet.ts";

/** True if a file's name is that of a file of items. */
export function holdsItems(path: string): boolean {
  return /\.(jsonl|ndjson|parquet)$/i.test(path);
}

export interface ReadItemsOptions {
  /** Ends the error about a missing field. */
  readonly advice?: string;
  /** Gets how far the file has been read, 0 to 1. */
  readonly onShare?: (share: number) => void;
  /** Of .jsonl; default UTF-8, which .parquet always has. */
  readonly encoding?: string;
}

/**
 * The items of a file, in order, with these fields at least. InputError where it is damaged or lacks a field.
 */
export async function* readItems(
  path: string,
  fields: readonly string[],
  { onShare = () => {}, encoding, advice }: ReadItemsOptions = {},
): AsyncGenerator<Item> {
  if (!/\.parquet$/i.test(path)) {
    const stream = await platform.openStream(path);
    let bytes = 0;
    const onBytes = (chunk: Uint8Array) => {
      bytes += chunk.length;
      onShare(bytes / (stream.size ?? Number.POSITIVE_INFINITY));
    };
    return yield* readJsonl(stream, { encoding, onBytes });
  }
  const source = await platform.openSource(path);
  try {
    yield* readParquet(source, fields, onShare, advice);
  } finally {
    await source.close();
  }
}

export interface Fields {
  readonly names: readonly string[];
  /** Those that hold a text. */
  readonly texts: readonly string[];
  /** True for a conversation. */
  readonly isTalk: boolean;
}

/** The columns of a .parquet file, or the fields of the first object in a .jsonl file. */
export async function fieldsOf(path: string): Promise<Fields> {
  if (/\.parquet$/i.test(path)) return { ...(await withSource(path, parquetColumns)), isTalk: false };
  const { value: first } = await readItems(path, []).next();
  return fieldsOfItem(first?.value ?? {});
}

export function fieldsOfItem(value: Item["value"]): Fields {
  const names = Object.keys(value);
  const isTalk = Array.isArray(value.messages) || Array.isArray(value.conversations);
  return { names, texts: names.filter((name) => typeof value[name] === "string"), isTalk };
}

/** The texts in a field that `--field` names, with the items' places, for messages. */
export async function* readTexts(
  path: string,
  field: string,
  options: Omit<ReadItemsOptions, "advice"> = {},
): AsyncGenerator<{ readonly name: string; readonly text: string }> {
  for await (const item of readItems(path, [field], { ...options, advice: nameField }))
    yield { name: item.name, text: textField(item, field, nameField) };
}

/** Advice where a field is missing that `--field` names. */
export const nameField = "Name the one that holds the text: --field NAME.";

/** The text; InputError, beginning with `what`, when half a surrogate pair is in it, which no UTF-8 can hold. */
export function wellFormed(text: string, what: string): string {
  const at = text.search(/\p{Surrogate}/u);
  if (at < 0) return text;
  const code = text.charCodeAt(at).toString(16).toUpperCase();
  throw new InputError(
    `${what} is not valid text: at character ${at + 1} it has U+${code}, which is half a character (a lone surrogate). ` +
      "Mend it, or leave this document out.",
  );
}

/** A field that holds a text; InputError, which ends with `advice`, names the fields that there are. */
export function textField({ name, value, fields: all }: Item, field: string, advice?: string): string {
  const text = value[field];
  if (typeof text === "string") return wellFormed(text, `${name}: the field "${field}"`);
  const { names, isTalk } = fieldsOfItem(value);
  const fields = (all ?? names).slice(0, 12).join(", ") || "none";
  const found = text === undefined ? "is missing" : `is ${JSON.stringify(text)?.slice(0, 40)}, no text`;
  const next = text === undefined && isTalk ? "It is a conversation: llm-ts prepare --chat takes those." : advice;
  throw new InputError(`${name}: the field "${field}" ${found}. Its fields are: ${fields}.${next ? ` ${next}` : ""}`);
}
