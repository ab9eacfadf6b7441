/** The options that a caller gives: a misspelled or misplaced one, or one of another type, would be taken for something else, unnoticed. */
import { shown, UsageError } from "./errors.ts";

/** The name of every option in a type: true, or another name that it had, or is likely to be given. */
export type OptionNames<Options> = { readonly [K in keyof Options]-?: true | string };

type Names = Readonly<Record<string, true | string>>;

/**
 * UsageError for options that are no object, or that `of`, a function, does not have. `others`: the options of functions
 * that are used with it, in which a misplaced one is looked for.
 */
export function requireOptions(
  of: string,
  options: unknown,
  names: Names,
  others: Readonly<Record<string, Names>> = {},
): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new UsageError(`The options of ${of} are ${shown(options)}, expected an object.`);
  for (const name of Object.keys(options))
    if (!Object.hasOwn(names, name))
      throw new UsageError(`${of} has no option "${name}". ${advice(name, names, others)}`);
}

const typesInWords = { boolean: "true or false", function: "a function", string: "a text" } as const;

/** UsageError for options that are given, and not of a type: every text is true, "false" and "no" as well. */
export function requireType(type: keyof typeof typesInWords, options: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(options))
    if (value !== undefined && typeof value !== type)
      throw new UsageError(`${name} is ${shown(value)}, expected ${typesInWords[type]}.`);
}

/** UsageError for what is no path of a folder. `what`: "The folder". An empty one would be the current folder. */
export function requireFolder(what: string, path: unknown): void {
  if (typeof path !== "string" || path === "")
    throw new UsageError(`${what} is ${shown(path)}, expected the path of a folder: "." is the current one.`);
}

function advice(name: string, names: Names, others: Readonly<Record<string, Names>>): string {
  const renamed = Object.entries(names).find(([, other]) => other === name);
  if (renamed) return `It is called ${renamed[0]}.`;
  const place = Object.entries(others).find(([, its]) => Object.hasOwn(its, name));
  if (place) return `It is an option of ${place[0]}.`;
  const near = nearest(name, Object.keys(names));
  return near === undefined ? `Its options: ${Object.keys(names).join(", ")}.` : `Did you mean "${near}"?`;
}

/** The name that was probably meant: in another spelling (`max_tokens`), cut short (`temp`), or with a few letters wrong. */
function nearest(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.replaceAll(/[_-]/g, "").toLowerCase();
  const given = plain(name);
  const distances = names.map((known) => ({ known, distance: edits(given, plain(known)) }));
  const [best] = distances.sort((a, b) => a.distance - b.distance);
  // One letter is as near to every other one.
  if (given.length < 3) return best?.distance === 0 ? best.known : undefined;
  if (best && best.distance <= Math.max(1, given.length / 4)) return best.known;
  return names.find((known) => plain(known).startsWith(given));
}

/** Levenshtein's distance: letters to insert, remove or replace. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++)
      row[j] = Math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + Number(a[i - 1] !== b[j - 1]));
  }
  return row[b.length];
}
