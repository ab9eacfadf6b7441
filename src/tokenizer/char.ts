import { InputError, shown, UsageError } from "../errors.ts";
import { type EncodeOptions, requireEncodeOptions, requireText, VocabularyTokenizer } from "./tokenizer.ts";

class CharTokenizer extends VocabularyTokenizer {
  readonly kind = "char";
  readonly #ids: ReadonlyMap<string, number>;

  constructor(characters: readonly string[]) {
    const encoder = new TextEncoder();
    super(characters.map((character) => encoder.encode(character)));
    this.#ids = new Map(characters.map((character, id) => [character, id]));
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    requireEncodeOptions(options);
    requireText("The text", text);
    const ids: number[] = [];
    let position = 0;
    for (const character of text) {
      const id = this.#ids.get(character);
      if (id === undefined) throw this.#unknown(character, position);
      ids.push(id);
      position += character.length;
    }
    return ids;
  }

  #unknown(character: string, position: number): InputError {
    const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return new InputError(
      `The character ${JSON.stringify(character)} (U+${code}) at position ${position} is not among the ` +
        `${this.vocabSize} characters of this tokenizer. Leave it out, or train with a text that has it.`,
    );
  }
}

/** One token for each code point, ids in the order given: code-point order in what llm-ts writes. */
export function charTokenizer(characters: readonly string[]): VocabularyTokenizer {
  if (!Array.isArray(characters) || characters.some((character) => typeof character !== "string"))
    throw new UsageError(`The characters are ${shown(characters)}, expected an array of texts.`);
  return new CharTokenizer(characters);
}

/** The tokenizer of all characters that a text holds, in code-point order. */
export function charTokenizerOf(text: string): VocabularyTokenizer {
  requireText("The text", text);
  return charTokenizer(inCodePointOrder(new Set(text)));
}

function inCodePointOrder(characters: Iterable<string>): string[] {
  return [...characters].sort((a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0));
}
