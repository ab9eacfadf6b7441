/** Data sets of items with fields, one document or example each: .jsonl and .parquet. */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { readJsonl } from "./jsonl.ts";
import { readParquet } from "./parquet.ts";

export interface Item {
  /** For messages: where it stands. */
  readonly name: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Whether a file holds items, by its name. */
export function holdsItems(path: string): boolean {
  return /\.(jsonl|ndjson|parquet)$/.test(path);
}

/**
 * The items of a file, in order, with these fields at least; `onShare` is told how far it has been read, 0 to 1.
 * InputError where it is damaged or lacks a field.
 */
export async function* readItems(
  path: string,
  fields: readonly string[],
  onShare: (share: number) => void = () => {},
): AsyncGenerator<Item> {
  if (!path.endsWith(".parquet")) {
    const stream = await platform.openStream(path);
    let bytes = 0;
    return yield* readJsonl(stream, (chunk) => {
      bytes += chunk.length;
      onShare(bytes / (stream.size ?? Number.POSITIVE_INFINITY));
    });
  }
  const source = await platform.openSource(path);
  try {
    yield* readParquet(source, fields, onShare);
  } finally {
    await source.close();
  }
}

/** A field that holds a text; InputError names the fields that there are. */
export function textField({ name, value }: Item, field: string): string {
  const text = value[field];
  if (typeof text === "string") return text;
  const fields = Object.keys(value).slice(0, 12).join(", ") || "none";
  const found = text === undefined ? "is missing" : `is ${JSON.stringify(text)?.slice(0, 40)}, no text`;
  throw new InputError(`${name}: the field "${field}" ${found}. Its fields are: ${fields}.`);
}
