/** The selected runs, kept in the address (`#runs/baby-001/tab:baby-002`) for links and reloads. */
import type { SourceName } from "./source.ts";

/** A run in the address: its name, prefixed with `tab:` if it is in this browser. */
export type RunKey = string;

/** The address of an empty selection. An address without runs selects the newest one. */
export const nothing = "-";

/** Number of colours for curves (--series-1 and on). */
const colours = 8;

export function keyOf(source: SourceName, name: string): RunKey {
  if (source === "tab") return `tab:${name}`;
  // Folders can have any name.
  return /^(tab|disk):|^-$/.test(name) ? `disk:${name}` : name;
}

export function parseKey(key: RunKey): { source: SourceName; name: string } {
  if (key.startsWith("tab:")) return { source: "tab", name: key.slice(4) };
  return { source: "disk", name: key.startsWith("disk:") ? key.slice(5) : key };
}

/** The selection in the address; undefined if it has none. */
export function selectionIn(rest: readonly string[]): readonly RunKey[] | undefined {
  if (rest.length === 0) return undefined;
  return [...new Set(rest.filter((key) => key !== nothing))];
}

export function toggled(selection: readonly RunKey[], key: RunKey): readonly RunKey[] {
  return selection.includes(key) ? selection.filter((one) => one !== key) : [...selection, key];
}

/** The colour of each selected run: its earlier one, else the first of the least used. */
export function colourRuns(selection: readonly RunKey[], before: ReadonlyMap<RunKey, number>): Map<RunKey, number> {
  const result = new Map<RunKey, number>();
  const uses = new Array<number>(colours).fill(0);
  for (const key of selection) {
    const colour = before.get(key);
    if (colour === undefined) continue;
    result.set(key, colour);
    uses[colour]++;
  }
  for (const key of selection) {
    if (result.has(key)) continue;
    const colour = uses.indexOf(Math.min(...uses));
    result.set(key, colour);
    uses[colour]++;
  }
  return result;
}
