import { UsageError } from "../errors.ts";

/** Lets text pass until one of some strings appears in it, which it keeps, as well as what may become one. */
export class StopFilter {
  readonly #strings: readonly string[];
  #held = "";
  #stopped = false;

  /** UsageError for an empty string, which would stop everything. */
  constructor(strings: readonly string[]) {
    if (strings.includes("")) throw new UsageError("A stop string is empty. Give at least one character.");
    this.#strings = strings;
  }

  /** True once a stop string has come: all further text is dropped. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** The text that is settled by now. */
  push(text: string): string {
    if (this.#stopped) return "";
    this.#held += text;
    const places = this.#strings.map((string) => this.#held.indexOf(string)).filter((at) => at >= 0);
    this.#stopped = places.length > 0;
    const passed = this.#stopped ? Math.min(...places) : this.#held.length - this.#pending();
    const settled = this.#held.slice(0, passed);
    this.#held = this.#stopped ? "" : this.#held.slice(passed);
    return settled;
  }

  /** Returns the text that was held back as a possible start of a stop string. */
  end(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** The length of the longest end of the text with which a stop string begins. */
  #pending(): number {
    const longest = Math.max(0, ...this.#strings.map((string) => string.length - 1));
    for (let length = Math.min(longest, this.#held.length); length > 0; length--) {
      const end = this.#held.slice(-length);
      if (this.#strings.some((string) => string.startsWith(end))) return length;
    }
    return 0;
  }
}
