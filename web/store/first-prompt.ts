/** Tokens are few in most models here, and what is looked at should fit a screen. */
const longest = 40;

/** The first line of it: what the model is to write on from, before anything was typed. Nothing begins a new text. */
export function firstLine(preview: string): string {
  return firstPrompt(preview).split("\n", 1)[0];
}

/** What to look at before anything was typed: how the text that the model learns from begins, up to the end of a word. */
export function firstPrompt(preview: string): string {
  const begin = preview.trimStart();
  if (begin.length <= longest) return begin.trimEnd();
  const cut = begin.slice(0, longest + 1);
  const space = cut.search(/\s\S*$/);
  return space > longest / 2 ? cut.slice(0, space).trimEnd() : [...cut].slice(0, -1).join("");
}

/** A text's beginning for a model that knows certain characters alone, or any: empty where it does not know all of it. */
export function beginningFor(preview: string, characters: string | undefined): string {
  const known = characters === undefined ? undefined : new Set(characters);
  return !known || [...preview].every((character) => known.has(character)) ? preview : "";
}
