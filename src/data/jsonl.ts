import { InputError, messageOf } from "../errors.ts";
import { isObject } from "../format/json.ts";
import type { ByteStream } from "../platform/platform.ts";
import { type ReadTextOptions, readText } from "./text.ts";
import { TextSplitter } from "./text-splitter.ts";

export interface Item {
  /** Location, for messages. */
  readonly name: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** The names of all fields, where `value` has only some. */
  readonly fields?: readonly string[];
}

/** No document is near this; it keeps a file without line ends from filling memory. */
const longestLine = 64 << 20;

/** The objects of a .jsonl file, one a line; empty lines are passed over. InputError says which line is none. */
export async function* readJsonl(stream: ByteStream, options?: ReadTextOptions): AsyncGenerator<Item> {
  const splitter = new TextSplitter("\n");
  let line = 0;
  let isStart = true;
  for await (const piece of readText(stream, options)) {
    // Editors on Windows put a byte order mark before the first object.
    const text = isStart ? piece.replace(/^\ufeff/, "") : piece;
    isStart &&= piece === "";
    const lines = splitter.push(text);
    if (splitter.rest.length > longestLine)
      throw new InputError(
        `${stream.name}: line ${line + lines.length + 1} is longer than ${longestLine >> 20} million characters. A .jsonl ` +
          "file has one object a line.",
      );
    for (const content of lines) {
      line++;
      if (content.trim() !== "") yield parse(`${stream.name}, line ${line}`, content);
    }
  }
  if (splitter.rest.trim() !== "") yield parse(`${stream.name}, line ${line + 1}`, splitter.rest);
}

function parse(name: string, content: string): Item {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    const reason = messageOf(error);
    throw new InputError(`${name} is not JSON: ${reason}. A .jsonl file has one object a line.`, { cause: error });
  }
  if (!isObject(value))
    throw new InputError(`${name} holds ${content.trim().slice(0, 40)}, expected an object in braces.`);
  return { name, value: { ...value } };
}
