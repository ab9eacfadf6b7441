import { useSignal } from "@preact/signals";
import { percent } from "../parts/numbers.ts";
import { head, layer, matrix, type Seen } from "./state.ts";
import { text } from "./text.ts";

/** The numbers of the chosen head, on demand: for those who do not see the map, and who want to know exactly. */
export function AttentionTable({ seen }: { seen: Seen }) {
  const t = text().attention;
  const isOpen = useSignal(false);
  return (
    <details class="attention-table" onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary>{t.asTable}</summary>
      {isOpen.value && <Numbers seen={seen} />}
    </details>
  );
}

function Numbers({ seen: { labels } }: { seen: Seen }) {
  const t = text().attention;
  const T = labels.length;
  const shares = matrix.value;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls.
    <section class="scroll" tabIndex={0} aria-label={t.table(layer.value + 1, head.value + 1)}>
      <table>
        <caption class="hidden">{t.table(layer.value + 1, head.value + 1)}</caption>
        <thead>
          <tr>
            <td />
            {labels.map((label, key) => (
              <th key={key} scope="col">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {labels.map((label, query) => (
            <tr key={query}>
              <th scope="row">{label}</th>
              {labels.slice(0, query + 1).map((_, key) => (
                <td key={key}>{percent(shares[query * T + key], 1)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
