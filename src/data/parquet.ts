import { InputError, messageOf } from "../errors.ts";
import type { ByteSource } from "../platform/platform.ts";
import type { Item } from "./items.ts";

/**
 * The rows of a parquet file, with these columns alone, group of rows by group of rows: one group's columns are in
 * memory at a time. `onShare` is told how far it is, 0 to 1. InputError when the file is damaged or lacks a column.
 */
export async function* readParquet(
  source: ByteSource,
  columns: readonly string[],
  onShare: (share: number) => void,
): AsyncGenerator<Item> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const file = {
    byteLength: source.size,
    async slice(start: number, end = source.size): Promise<ArrayBuffer> {
      return new Uint8Array(await source.read(start, end - start)).buffer;
    },
  };
  const metadata = await explained(source, () => parquetMetadataAsync(file));
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const missing = columns.find((column) => !names.includes(column));
  if (missing !== undefined)
    throw new InputError(`${source.name} has no column "${missing}". Its columns are: ${names.join(", ")}.`);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const options = { file, metadata, compressors, columns: [...columns], rowStart, rowEnd };
    const rows = await explained(source, () => parquetReadObjects(options));
    for (const [i, value] of rows.entries()) yield { name: `${source.name}, row ${rowStart + i + 1}`, value };
    rowStart = rowEnd;
    onShare(rowEnd / Number(metadata.num_rows));
  }
}

async function explained<T>(source: ByteSource, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const reason = messageOf(error);
    throw new InputError(`${source.name} is no parquet file, or is damaged: ${reason}. Copy or download it again.`, {
      cause: error,
    });
  }
}
