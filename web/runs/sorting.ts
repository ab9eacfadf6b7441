import type { RunSummary } from "../../src/runs/read-run.ts";

export const columns = [
  "folder",
  "status",
  "step",
  "loss",
  "valLoss",
  "bestValLoss",
  "tokensPerSecond",
  "created",
] as const satisfies readonly (keyof RunSummary)[];

type Column = (typeof columns)[number];

export interface Sorting {
  readonly by: Column;
  readonly descending: boolean;
}

export const newestFirst: Sorting = { by: "created", descending: true };

/** The next sorting when a column's header is pressed: largest or newest first where that is of interest. */
export function sortedBy(now: Sorting, by: Column): Sorting {
  if (now.by === by) return { by, descending: !now.descending };
  return { by, descending: by === "created" || by === "step" || by === "tokensPerSecond" };
}

/** The runs that match all of `words`, sorted; unknown values are last. */
export function filterAndSort(runs: readonly RunSummary[], words: string, { by, descending }: Sorting): RunSummary[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const isWanted = ({ folder, model = "", status }: RunSummary) => {
    const text = `${folder} ${model} ${status}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  };
  return runs.filter(isWanted).sort((one, other) => {
    const [a, b] = [one[by], other[by]];
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    const order =
      typeof a === "number" && typeof b === "number"
        ? a - b
        : String(a).localeCompare(String(b), undefined, { numeric: true });
    return descending ? -order : order;
  });
}
