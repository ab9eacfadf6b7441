import type { Signal } from "@preact/signals";
import type { RunSummary } from "../../src/runs/read-run.ts";
import { RunRow } from "./run-row.tsx";
import { keyOf } from "./selection.ts";
import { arranged, columns, type Sorting, sortedBy } from "./sorting.ts";
import type { SourceName } from "./source.ts";
import { text } from "./text.ts";

/** The runs of one place. */
export function RunTable({
  source,
  title,
  runs,
  words,
  sorting,
}: {
  source: SourceName;
  title: string;
  runs: readonly RunSummary[];
  /** What a run must hold to be shown. */
  words: string;
  sorting: Signal<Sorting>;
}) {
  const t = text();
  const { by, descending } = sorting.value;
  const shown = arranged(runs, words, sorting.value);
  return (
    <section aria-label={t.listLabel(title)} class="run-list">
      <h3>{title}</h3>
      {shown.length === 0 ? (
        <p class="hint">{t.noneMatch}</p>
      ) : (
        <div class="run-scroll">
          <table class="run-table">
            <thead>
              <tr>
                {columns.map((column) => (
                  <th
                    key={column}
                    scope="col"
                    class={column}
                    aria-sort={column === by ? (descending ? "descending" : "ascending") : undefined}
                  >
                    <button
                      type="button"
                      class="quiet sort"
                      onClick={() => {
                        sorting.value = sortedBy(sorting.value, column);
                      }}
                    >
                      {t.columns[column]}
                    </button>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.map((run) => (
                <RunRow key={run.folder} run={run} id={keyOf(source, run.folder)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
