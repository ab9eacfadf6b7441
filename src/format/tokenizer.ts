/**
 * llm.c's tokenizers, `gpt2_tokenizer.bin` (train_gpt2.py's `write_tokenizer`), for any vocabulary.
 *
 * Header: [0] 20240328, [1] version, [2] number of tokens, [3] the end-of-text token (version 2; in version 1 it is
 * the last token). Then, for each token, one byte for its length and as many bytes as that.
 */
import { InputError, UsageError } from "../errors.ts";
import type { Appender, ByteSource } from "../platform/platform.ts";
import { fieldError, headerBytes, magic, makeHeader, readHeaderOf } from "./header.ts";

export interface Vocabulary {
  readonly tokens: readonly Uint8Array[];
  readonly endOfText: number;
}

/** Largest vocabulary of a model. */
const mostTokens = 1 << 20;

export async function readVocabulary(source: ByteSource): Promise<Vocabulary> {
  const header = await readHeaderOf(source, "tokenizer");
  const [, version, count, endField] = header;
  if (version !== 1 && version !== 2) throw fieldError(source, header, 1, "version", "1 or 2");
  // Each token takes 2 to 256 bytes.
  const bodyBytes = source.size - headerBytes;
  const most = Math.min(mostTokens, Math.floor(bodyBytes / 2));
  if (count < 1 || count > most)
    throw fieldError(source, header, 2, "number of tokens", `1 to the ${most} that ${source.size} bytes can hold`);
  if (bodyBytes > 256 * count)
    throw new InputError(
      `${source.name} has ${source.size} bytes, expected at most ${headerBytes + 256 * count} for ${count} tokens. ` +
        "The file is damaged: copy or write it again.",
    );
  const endOfText = version === 1 ? count - 1 : endField;
  if (endOfText < 0 || endOfText >= count)
    throw fieldError(source, header, 3, "end-of-text token", `a token from 0 to ${count - 1}`);
  return { tokens: readTokens(source, await source.read(headerBytes, bodyBytes), count), endOfText };
}

function readTokens(source: ByteSource, body: Uint8Array, count: number): Uint8Array[] {
  const tokens: Uint8Array[] = [];
  let offset = 0;
  for (let id = 0; id < count; id++) {
    const end = offset + 1 + body[offset];
    // A length past the end is NaN or leads past the end: both fail here.
    if (!(end <= body.length) || end === offset + 1)
      throw new InputError(
        `${source.name}: token ${id} of ${count} at byte ${headerBytes + offset} has length ${body[offset] ?? "none"}, ` +
          `expected 1 to ${Math.max(body.length - offset - 1, 1)}. The file is damaged: copy or write it again.`,
      );
    tokens.push(body.subarray(offset + 1, end));
    offset = end;
  }
  if (offset !== body.length)
    throw new InputError(
      `${source.name} has ${source.size} bytes, expected ${headerBytes + offset} for its ${count} tokens. ` +
        "The file is damaged: copy or write it again.",
    );
  return tokens;
}

/**
 * Writes a tokenizer of version 2; the caller commits. Without an end-of-text token the field is 0: llm.c starts its
 * samples with that token, so it has to exist.
 */
export async function writeVocabulary(
  sink: Appender,
  tokens: readonly Uint8Array[],
  endOfText: number | undefined,
): Promise<void> {
  const body = new Uint8Array(tokens.reduce((sum, token) => sum + 1 + token.length, 0));
  let offset = 0;
  for (const [id, token] of tokens.entries()) {
    if (token.length < 1 || token.length > 255)
      throw new UsageError(`${sink.name}: token ${id} has ${token.length} bytes, the format holds 1 to 255.`);
    body[offset] = token.length;
    body.set(token, offset + 1);
    offset += 1 + token.length;
  }
  await sink.write(makeHeader({ 0: magic.tokenizer, 1: 2, 2: tokens.length, 3: endOfText ?? 0 }));
  await sink.write(body);
}
