import { InputError, messageOf } from "../errors.ts";
import type { ByteSource } from "../platform/platform.ts";
import type { Item } from "./jsonl.ts";
import { firstInvalid, hexadecimal } from "./text.ts";

/**
 * The rows of a parquet file, with these columns alone, group of rows by group of rows: one group's columns are in
 * memory at a time. `onShare` receives the share that is done, 0 to 1. InputError when the file is damaged or lacks a column; it ends with `advice`.
 */
export async function* readParquet(
  source: ByteSource,
  columns: readonly string[],
  onShare: (share: number) => void,
  advice?: string,
): AsyncGenerator<Item> {
  const { parquetReadObjects } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const { file, metadata, names } = await openParquet(source);
  const missing = columns.find((column) => !names.includes(column));
  if (missing !== undefined)
    throw new InputError(
      `${source.name} has no column "${missing}". Its columns are: ${names.join(", ")}.${advice ? ` ${advice}` : ""}`,
    );
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const options = {
      file,
      metadata,
      compressors,
      columns: [...columns],
      rowStart,
      rowEnd,
      parsers: { stringFromBytes },
    };
    const rows = await explained(source, () => parquetReadObjects(options));
    for (const [i, value] of rows.entries()) {
      const name = `${source.name}, row ${rowStart + i + 1}`;
      for (const [column, cell] of Object.entries(value)) requireText(`${name}: the column "${column}"`, cell);
      yield { name, value, fields: names };
    }
    rowStart = rowEnd;
    onShare(rowEnd / Number(metadata.num_rows));
  }
}

async function openParquet(source: ByteSource) {
  const { parquetMetadataAsync, parquetSchema } = await import("hyparquet");
  const file = {
    byteLength: source.size,
    async slice(start: number, end = source.size): Promise<ArrayBuffer> {
      return new Uint8Array(await source.read(start, end - start)).buffer;
    },
  };
  const metadata = await explained(source, () => parquetMetadataAsync(file));
  const columns = parquetSchema(metadata).children.map(({ element }) => element);
  return { file, metadata, names: columns.map(({ name }) => name), columns };
}

/** The names of a file's columns, and those of texts among them. InputError when it is damaged. */
export async function parquetColumns(source: ByteSource) {
  const { names, columns } = await openParquet(source);
  const texts = columns.filter(({ type, converted_type }) => type === "BYTE_ARRAY" && converted_type === "UTF8");
  return { names, texts: texts.map(({ name }) => name) };
}

/** Stands where a text should be; which row that is, is not known before the rows are put together. */
class InvalidText {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function stringFromBytes(bytes: Uint8Array | undefined): string | InvalidText | undefined {
  if (bytes === undefined) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return new InvalidText(bytes.slice());
  }
}

/** InputError, beginning with `what`, when a cell or anything in it is no UTF-8. */
function requireText(what: string, cell: unknown): void {
  if (Array.isArray(cell)) for (const part of cell) requireText(what, part);
  if (!(cell instanceof InvalidText)) return;
  const at = firstInvalid(cell.bytes);
  throw new InputError(
    `${what} is not valid UTF-8 at byte ${at}: found ${hexadecimal(cell.bytes, at)}. Mend it, or leave this row out.`,
  );
}

async function explained<T>(source: ByteSource, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const reason = messageOf(error);
    throw new InputError(`${source.name} is not a parquet file, or is damaged: ${reason}. Copy or download it again.`, {
      cause: error,
    });
  }
}
