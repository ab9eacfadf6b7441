/** A token outside the vocabulary of byte pairs: every occurrence of its content in a text is this token. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** A mark, such as the end of a text, and no word: in ordinary text its name is text like any other. */
  readonly special: boolean;
  /** Looked for after those that are not, between them. */
  readonly normalized: boolean;
  /** White space before it, or after it, belongs to it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Matches only with no letter or digit beside it. */
  readonly singleWord: boolean;
}

/** An added token that is matched literally. */
export function addedToken(token: Pick<AddedToken, "id" | "content" | "special">): AddedToken {
  return { normalized: false, lstrip: false, rstrip: false, singleWord: false, ...token };
}

/** A part of a text: an added token, or the text between two of them. */
export interface Section {
  readonly start: number;
  readonly end: number;
  /** The token's id; undefined for text. */
  readonly id?: number;
}

/** Finds added tokens in a text as Hugging Face's tokenizers do: from the left, the longest of several. */
export class AddedTokens {
  /** Code units of the longest. */
  readonly longest: number;
  /** True if matching a token depends on its own characters alone. */
  readonly isLocal: boolean;
  readonly #tokens: ReadonlyMap<string, AddedToken>;
  readonly #patterns: readonly RegExp[];

  constructor(tokens: readonly AddedToken[]) {
    const named = tokens.filter(({ content }) => content !== "");
    this.longest = named.reduce((most, { content }) => Math.max(most, content.length), 0);
    this.isLocal = named.every(({ lstrip, rstrip, singleWord }) => !lstrip && !rstrip && !singleWord);
    this.#tokens = new Map(named.map((token) => [token.content, token]));
    this.#patterns = [false, true]
      .map((normalized) => named.filter((token) => token.normalized === normalized))
      .filter(({ length }) => length > 0)
      .map(patternOf);
  }

  /** The sections of a text, in order; none is empty. */
  sections(text: string): Section[] {
    let sections: Section[] = text === "" ? [] : [{ start: 0, end: text.length }];
    for (const pattern of this.#patterns)
      sections = sections.flatMap((section) =>
        section.id === undefined
          ? this.#cut(text.slice(section.start, section.end), pattern).map((part) => moved(part, section.start))
          : [section],
      );
    return sections;
  }

  #cut(text: string, pattern: RegExp): Section[] {
    const sections: Section[] = [];
    let done = 0;
    for (const { 0: content, index } of text.matchAll(pattern)) {
      const token = this.#tokens.get(content);
      let [start, end] = [index, index + content.length];
      if (!token || start < done || (token.singleWord && hasWordBeside(text, start, end))) continue;
      if (token.lstrip) while (start > done && isSpace.test(text[start - 1])) start--;
      if (token.rstrip) end += /^\p{White_Space}*/u.exec(text.slice(end))?.[0].length ?? 0;
      if (start > done) sections.push({ start: done, end: start });
      sections.push({ start, end, id: token.id });
      done = end;
    }
    if (done < text.length) sections.push({ start: done, end: text.length });
    return sections;
  }
}

const moved = ({ start, end, id }: Section, by: number): Section => ({ start: start + by, end: end + by, id });

/** Alternatives are tried in their order: the longest first. */
function patternOf(tokens: readonly AddedToken[]): RegExp {
  const contents = tokens.map(({ content }) => content).sort((a, b) => b.length - a.length);
  return new RegExp(contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g");
}

/** All white space of Unicode is of one code unit. */
const isSpace = /\p{White_Space}/u;

const word = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const endsWithWord = new RegExp(`${word}$`, "u");
const startsWithWord = new RegExp(`^${word}`, "u");

function hasWordBeside(text: string, start: number, end: number): boolean {
  // Two code units hold the last character, or the first.
  return endsWithWord.test(text.slice(Math.max(0, start - 2), start)) || startsWithWord.test(text.slice(end, end + 2));
}
