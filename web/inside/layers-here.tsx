import { percent } from "../parts/numbers.ts";
import { LensCell } from "./lens-cell.tsx";
import { labelOf, position, type Seen } from "./state.ts";
import { text } from "./text.ts";

/** The best candidates at the chosen position, a row a layer, and how far the token that came has got. */
export function LayersHere({ seen }: { seen: Seen }) {
  const t = text().layers;
  const { lens, tokens, next } = seen;
  const at = position.value;
  const came = at + 1 < tokens.length ? tokens[at + 1] : undefined;
  const shown = Math.min(5, next.top);
  return (
    <table class="lens-table">
      <caption class="hidden">{t.captions.here}</caption>
      <thead>
        <tr>
          <th scope="col">{t.layer}</th>
          {Array.from({ length: shown }, (_, i) => (
            <th key={i} scope="col">
              {t.rank(i + 1)}
            </th>
          ))}
          {came !== undefined && (
            <th scope="col" class="came-head">
              {t.came} <span class="mono">{labelOf(seen, came)}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {lens.map((predictions, l) => (
          <tr key={l}>
            <th scope="row">{t.row(l, lens.length - 1)}</th>
            {Array.from({ length: shown }, (_, i) => {
              const token = predictions.tokens[at * next.top + i];
              const share = predictions.probabilities[at * next.top + i];
              return <LensCell key={i} label={labelOf(seen, token)} share={share} came={token === came} />;
            })}
            {came !== undefined && (
              <td class="came-share">
                {t.place(predictions.rank[at])} <small>{percent(predictions.actual[at], 1)}</small>
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
