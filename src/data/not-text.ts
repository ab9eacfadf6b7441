/** Identification of bytes that are not text in UTF-8. The libraries are loaded only for the message. */
import { platform } from "#platform";
import { foreignFile } from "../format/foreign.ts";
import { identify } from "../format/identify.ts";
import { guessHeaderless } from "../format/tokens.ts";

/** Control characters that do occur in texts: white space, and the end-of-file mark of DOS. */
const innocent = "\t\n\v\f\r\x1a";

/** True for characters that no text has: control characters, or code points without a meaning. */
function hasControls(text: string): boolean {
  for (const [character] of text.matchAll(/[\p{Cc}\p{Cn}]/gu)) if (!innocent.includes(character)) return true;
  return false;
}

/**
 * The encoding that bytes which are no UTF-8 are probably in, as TextDecoder calls it: one in which they are valid and
 * hold no control characters. Undefined where there is none: then they are no text.
 */
export async function likelyEncoding(bytes: Uint8Array): Promise<string | undefined> {
  for (const encoding of [...utf16Candidates(bytes), ...(bytes.includes(0) ? [] : await legacyCandidates(bytes))]) {
    const text = decoded(bytes, encoding);
    if (text !== undefined && !hasControls(text)) return encoding;
  }
  return undefined;
}

/** By its mark; else by the zeros that the letters of Latin-1, blanks and line ends leave at every other byte. */
function utf16Candidates(bytes: Uint8Array): string[] {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return ["utf-16le"];
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return ["utf-16be"];
  let zeros = 0;
  let odd = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== 0) continue;
    zeros++;
    odd += i % 2;
  }
  // A longer piece may be cut inside a character.
  if (zeros === 0 || (bytes.length % 2 > 0 && bytes.length < 32)) return [];
  return 2 * odd > zeros ? ["utf-16le"] : ["utf-16be"];
}

/** The others by statistics of their bytes, the likeliest first. */
async function legacyCandidates(bytes: Uint8Array): Promise<string[]> {
  const { analyse } = await import("chardet");
  return analyse(bytes)
    .map(({ name }) => name.toLowerCase())
    .filter((name) => !/^(utf-|ascii)/.test(name))
    .map((name) => (name === "iso-8859-1" ? "windows-1252" : name));
}

function decoded(bytes: Uint8Array, encoding: string): string | undefined {
  try {
    // The end may be cut inside a character.
    return new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

/**
 * Identifies a file that is not text in UTF-8: a text in another encoding, another format in words, or nothing known. `start`
 * are its first bytes, `near` those where it is not valid.
 */
export async function otherThanUtf8(
  start: Uint8Array,
  name: string,
  near = start,
): Promise<{ readonly encoding?: string; readonly what?: string }> {
  const named = await formatByExtension(start, name);
  if (named !== undefined) return { what: named };
  const encoding = await likelyEncoding(near);
  return encoding === undefined ? { what: await whatItIs(start, name) } : { encoding };
}

/** The common name of an encoding. */
export function encodingInWords(encoding: string): string {
  if (encoding === "gb18030") return "GB18030 (or GBK)";
  if (encoding === "windows-1252") return "windows-1252 (or Latin-1)";
  return encoding.startsWith("utf") || encoding.startsWith("iso") ? encoding.toUpperCase() : encoding;
}

const formats: Readonly<Record<string, string>> = {
  model: "a model of llm.c's",
  state: "a debug state of llm.c's",
  tokenizer: "a tokenizer",
  tokens: "a token file, ready to train on",
  tokens32: "a token file, ready to train on",
  mask: "a loss mask, which lies beside a token file",
  hellaswag: "the HellaSwag questions in tokens",
  optimizer: "the state of an optimizer",
  safetensors: "a model (safetensors)",
  gguf: "a model (GGUF)",
  onnx: "a model (ONNX)",
  parquet: "a Parquet file, which is known by a name that ends in .parquet",
};

/** Format of a file by its first bytes, in words: "a picture (PNG)"; undefined if it is unknown. */
export async function whatItIs(start: Uint8Array, name: string): Promise<string | undefined> {
  const source = await platform.openSource(start);
  const format = formats[(await identify(source)) ?? ""];
  if (format !== undefined) return format;
  const type = isBin(name) ? await guessHeaderless(source) : undefined;
  if (type === "int32") return "tokens without a header (int32), as llm.c wrote them in April 2024";
  if (type === "uint16") return "tokens without a header (uint16), as nanoGPT writes them";
  const named = await formatByExtension(start, name);
  if (named) return named;
  const foreign = await foreignFile(source);
  return foreign ? foreign.what : inWords((await signaturesOf(start)).find(({ typename }) => sure.has(typename)));
}

/** Formats that are known without a fitting name: their signatures are long enough. */
const sure: ReadonlySet<string> = new Set(
  "png jpg gif webp tiff heic pdf zip gz bz2 xz 7z rar lz4 mp3 wav flac ogg mp4 mkv webm sqlite ELF".split(" "),
);

/**
 * Format of a file whose first bytes and file extension agree; undefined where they do not. Documents of office
 * programs are zip archives as well: the extension distinguishes them.
 */
export async function formatByExtension(start: Uint8Array, name: string): Promise<string | undefined> {
  const extension = /\.([^./\\]+)$/.exec(name.toLowerCase())?.[1];
  if (extension === undefined || extension === "txt") return undefined;
  return inWords((await signaturesOf(start)).find((type) => type.extension === extension));
}

interface Signature {
  readonly typename: string;
  readonly mime?: string;
  readonly extension?: string;
}

async function signaturesOf(start: Uint8Array): Promise<readonly Signature[]> {
  const { filetypeinfo } = await import("magic-bytes.js");
  return filetypeinfo(start);
}

function inWords(signature: Signature | undefined): string | undefined {
  if (signature === undefined) return undefined;
  const kind = /^(image|audio|video)\//.exec(signature.mime ?? "")?.[1];
  const words = kind === "image" ? "a picture" : kind === "audio" ? "a sound" : kind === "video" ? "a film" : "a file";
  return `${words} (${signature.typename.toUpperCase()})`;
}

/** The extension of all files of llm.c and nanoGPT, and of no text. */
export function isBin(name: string): boolean {
  return /\.bin$/i.test(name);
}
