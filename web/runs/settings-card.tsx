import { Card } from "../parts/card.tsx";
import { compared, type SettingRow } from "./settings.ts";
import { colourOf, selectedRuns } from "./state.ts";
import { Swatch } from "./swatch.tsx";
import { text } from "./text.ts";

/** Settings of the selected runs: of several runs, the differences first. */
export function Settings() {
  const t = text();
  const runs = selectedRuns.value.filter(({ detail }) => detail.value !== undefined);
  const { differing, same } = compared(runs.map(({ detail }) => detail.value?.config));
  const rows = runs.length > 1 ? differing : same;
  return (
    <Card title={t.settings}>
      {differing.length + same.length === 0 ? (
        <p class="hint">{t.noSettings}</p>
      ) : (
        <>
          {runs.length > 1 && <h3>{differing.length > 0 ? t.differing : t.noDifferences}</h3>}
          {rows.length > 0 && <Table rows={rows} isCompared={runs.length > 1} />}
          {runs.length > 1 && same.length > 0 && (
            <details>
              <summary>{t.same(same.length)}</summary>
              <Table rows={same} isCompared={false} />
            </details>
          )}
        </>
      )}
    </Card>
  );
}

function Table({ rows, isCompared }: { rows: readonly SettingRow[]; isCompared: boolean }) {
  const t = text();
  const runs = selectedRuns.value.filter(({ detail }) => detail.value !== undefined);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="setting-scroll" tabIndex={0} aria-label={isCompared ? t.differing : t.allSettings}>
      <table class="settings">
        <thead class={isCompared ? "" : "hidden"}>
          <tr>
            <th scope="col">{t.setting}</th>
            {(isCompared ? runs : runs.slice(0, 1)).map(({ key, name }) => (
              <th key={key} scope="col">
                {isCompared && <Swatch colour={colourOf(key)} />}
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, values }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {(isCompared ? values : values.slice(0, 1)).map((value, i) => (
                <td key={runs[i].key}>{value ?? "–"}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
