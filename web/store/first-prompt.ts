/** Most characters: contexts are short in small models, and the attention map should fit a screen. */
const maxLength = 40;

/** The default prompt for writing: the first line of `firstPrompt`. Empty: a new text. */
export function firstLine(preview: string): string {
  return firstPrompt(preview).split("\n", 1)[0];
}

/** The default prompt for looking inside: the beginning of the training text, up to the end of a word. */
export function firstPrompt(preview: string): string {
  const begin = preview.trimStart();
  if (begin.length <= maxLength) return begin.trimEnd();
  const cut = begin.slice(0, maxLength + 1);
  const space = cut.search(/\s\S*$/);
  return space > maxLength / 2 ? cut.slice(0, space).trimEnd() : [...cut].slice(0, -1).join("");
}

/** `preview`, or an empty text if it has characters that the model cannot encode. `characters` undefined: it encodes any. */
export function readableBeginningOf(preview: string, characters: string | undefined): string {
  const known = characters === undefined ? undefined : new Set(characters);
  return !known || [...preview].every((character) => known.has(character)) ? preview : "";
}
