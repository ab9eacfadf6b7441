import { type EncodeOptions, requireEncodeOptions, requireText, VocabularyTokenizer } from "./tokenizer.ts";

class ByteTokenizer extends VocabularyTokenizer {
  readonly kind = "byte";

  encode(text: string, options: EncodeOptions = {}): number[] {
    requireEncodeOptions(options);
    requireText("The text", text);
    return [...new TextEncoder().encode(text)];
  }
}

/** 256 tokens: the bytes of the text in UTF-8. */
export function byteTokenizer(): VocabularyTokenizer {
  return new ByteTokenizer(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)));
}
