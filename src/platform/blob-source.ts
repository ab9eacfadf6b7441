import { InputError } from "../errors.ts";
import type { ByteSource } from "./platform.ts";

/** Opens a File, a Blob or bytes in memory for random access. */
export function openInMemory(input: Blob | Uint8Array): ByteSource {
  if (input instanceof Uint8Array) return openBlob(new Blob([new Uint8Array(input)]), "bytes in memory");
  return openBlob(input, nameOfBlob(input));
}

/** What a Blob is called in messages: a File has a name. */
export function nameOfBlob(blob: Blob): string {
  return "name" in blob ? String(blob.name) : "a Blob";
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
