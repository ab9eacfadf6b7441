import type { ByteSource } from "../platform/platform.ts";
import { formatOfMagic, headerBytes, type LlmcFormat, readHeader } from "./header.ts";

export type FileFormat = LlmcFormat | "safetensors" | "json";

/** Which format a file has, by its first bytes; undefined when it is none that we know. */
export async function identify(source: ByteSource): Promise<FileFormat | undefined> {
  if (source.size >= headerBytes) {
    const [magic] = await readHeader(source);
    const format = formatOfMagic(magic);
    if (format) return format;
  }
  const start = await source.read(0, Math.min(source.size, 9));
  // safetensors: 8 bytes of length, then JSON. No header is so long that its upper bytes are not zero.
  if (start.length === 9 && start[8] === 0x7b && start.subarray(4, 8).every((byte) => byte === 0)) return "safetensors";
  return start[0] === 0x7b ? "json" : undefined;
}
