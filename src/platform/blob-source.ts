import { InputError, LlmError } from "../errors.ts";
import type { ByteSource } from "./platform.ts";

/** Opens a File, a Blob or bytes in memory for random access. */
export function openInMemory(input: Blob | Uint8Array): ByteSource {
  if (input instanceof Uint8Array) return openBlob(new Blob([new Uint8Array(input)]), "bytes in memory");
  const name = nameOfBlob(input);
  const source = openBlob(input, name);
  const read = (offset: number, length: number) =>
    source.read(offset, length).catch((error) => {
      throw blobError(name, error);
    });
  return { ...source, read };
}

/** Name of a Blob for messages; a File has one. */
export function nameOfBlob(blob: Blob): string {
  return "name" in blob ? String(blob.name) : "a Blob";
}

/** Explanation of a File or Blob that cannot be read: browsers refuse a file that changed on disk after it was chosen. */
export function blobError(name: string, error: unknown): unknown {
  if (error instanceof LlmError) return error;
  return new InputError(`${name} can no longer be read: it was changed or moved. Choose it again.`, { cause: error });
}

export function openBlob(blob: Blob, name: string): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      checkRange(name, blob.size, offset, length);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
    close: async () => {},
  };
}

export function checkRange(name: string, size: number, offset: number, length: number): void {
  if (offset + length > size)
    throw new InputError(`${name} ends at byte ${size}, expected ${length} bytes from ${offset} on.`);
}
