import { percent } from "../parts/numbers.ts";
import { LensCell } from "./lens-cell.tsx";
import { LensTable } from "./lens-table.tsx";
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
    <LensTable
      caption={t.captions.here}
      last={lens.length - 1}
      head={
        <>
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
        </>
      }
      row={(l) => (
        <>
          {Array.from({ length: shown }, (_, i) => {
            const token = lens[l].tokens[at * next.top + i];
            const share = lens[l].probabilities[at * next.top + i];
            return <LensCell key={i} label={labelOf(seen, token)} share={share} came={token === came} />;
          })}
          {came !== undefined && (
            <td class="came-share">
              {t.place(lens[l].rank[at])} <small>{percent(lens[l].actual[at], 1)}</small>
            </td>
          )}
        </>
      )}
    />
  );
}
