import type { ByteSource } from "../platform/platform.ts";
import { isOnnx } from "./foreign.ts";
import { formatOfMagic, headerBytes, type LlmcFormat, readHeader } from "./header.ts";

export type FileFormat = LlmcFormat | "safetensors" | "gguf" | "onnx" | "json" | "parquet" | "text";

/** Format of a file by its first bytes; undefined if it is unknown. */
export async function identify(source: ByteSource): Promise<FileFormat | undefined> {
  if (source.size >= headerBytes) {
    const [magic] = await readHeader(source);
    const format = formatOfMagic(magic);
    if (format) return format;
  }
  const start = await source.read(0, Math.min(source.size, textBytes));
  if (isSafetensors(start)) return "safetensors";
  const magic = String.fromCharCode(...start.subarray(0, 4));
  if (magic === "PAR1") return "parquet";
  if (magic === "GGUF") return "gguf";
  if (isOnnx(start, source.name)) return "onnx";
  if (start[hasByteOrderMark(start) ? 3 : 0] === 0x7b) return "json";
  return isText(start, source.size > start.length) ? "text" : undefined;
}

/** Editors on Windows put it before a text in UTF-8. */
const hasByteOrderMark = (start: Uint8Array) => start[0] === 0xef && start[1] === 0xbb && start[2] === 0xbf;

/** 8 bytes of length, then JSON, white space before it or not. No header is so long that its upper bytes are not zero. */
function isSafetensors(start: Uint8Array): boolean {
  return (
    start.length > 8 && [0x7b, 0x20, 0x09, 0x0a, 0x0d].includes(start[8]) && start.subarray(4, 8).every((b) => b === 0)
  );
}

/** Bytes that text detection looks at. */
const textBytes = 1 << 16;

/** True for UTF-8 without control characters other than white space. `isCut`: the last character may be incomplete. */
function isText(start: Uint8Array, isCut: boolean): boolean {
  if (start.length === 0 || start.some((byte) => byte < 0x20 && !(byte >= 0x09 && byte <= 0x0d))) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(start, { stream: isCut });
    return true;
  } catch {
    return false;
  }
}
