import { LensCell } from "./lens-cell.tsx";
import { LensTable } from "./lens-table.tsx";
import { labelOf, position, type Seen } from "./state.ts";
import { text } from "./text.ts";

/** Positions shown at once, the chosen one in the middle where it can be. */
const columns = 9;

/** The best candidate of each layer at several positions: a column a position. */
export function LayersAround({ seen }: { seen: Seen }) {
  const t = text().layers;
  const { lens, tokens, labels, next } = seen;
  const first = Math.max(0, Math.min(position.value - Math.floor(columns / 2), tokens.length - columns));
  const positions = Array.from({ length: Math.min(columns, tokens.length) }, (_, i) => first + i);
  return (
    <LensTable
      caption={t.captions.around}
      last={lens.length - 1}
      head={positions.map((at) => (
        <th key={at} scope="col" class={at === position.value ? "is-chosen" : undefined}>
          <span class="mono">{labels[at]}</span>
        </th>
      ))}
      row={(l) =>
        positions.map((at) => {
          const token = lens[l].tokens[at * next.top];
          const share = lens[l].probabilities[at * next.top];
          return <LensCell key={at} label={labelOf(seen, token)} share={share} came={token === tokens[at + 1]} />;
        })
      }
    />
  );
}
