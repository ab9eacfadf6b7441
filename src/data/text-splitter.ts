/**
 * Splits a text that comes in pieces at a separator. Each piece is searched once, so that time grows with the length of
 * the text, however long a part is.
 */
export class TextSplitter {
  readonly #separator: string | RegExp;
  #rest = "";

  /** A separator that several pieces share, such as a run of blanks, is found once in each: parts between may be empty. */
  constructor(separator: string | RegExp) {
    this.#separator = separator;
  }

  /** The parts that end in `piece`, in order. */
  push(piece: string): string[] {
    const parts = piece.split(this.#separator);
    parts[0] = this.#rest + parts[0];
    this.#rest = parts.pop() ?? "";
    return parts;
  }

  /** Text behind the last separator. */
  get rest(): string {
    return this.#rest;
  }
}
