import { LensCell } from "./lens-cell.tsx";
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
    <table class="lens-table">
      <caption class="hidden">{t.captions.around}</caption>
      <thead>
        <tr>
          <th scope="col">{t.layer}</th>
          {positions.map((at) => (
            <th key={at} scope="col" class={at === position.value ? "is-chosen" : undefined}>
              <span class="mono">{labels[at]}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {lens.map((predictions, l) => (
          <tr key={l}>
            <th scope="row">{t.row(l, lens.length - 1)}</th>
            {positions.map((at) => {
              const token = predictions.tokens[at * next.top];
              const share = predictions.probabilities[at * next.top];
              return <LensCell key={at} label={labelOf(seen, token)} share={share} came={token === tokens[at + 1]} />;
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
