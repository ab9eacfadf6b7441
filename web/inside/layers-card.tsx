import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Card } from "../parts/card.tsx";
import { Choice } from "../parts/choice.tsx";
import { percent } from "../parts/numbers.ts";
import { strength } from "./heat-colours.ts";
import { labelOf, position, type Seen } from "./state.ts";
import { text } from "./text.ts";

/** How what the model expects changes from layer to layer. */
export function LayersCard({ seen }: { seen: Seen }) {
  const t = text().layers;
  const view = useSignal<"here" | "around">("here");
  return (
    <Card title={t.title} class="inside-layers">
      <p class="hint">{t.about}</p>
      <Choice label={t.view} values={t.views} value={view.value} onChange={(next) => (view.value = next)} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls where there is no room. */}
      <section class="scroll" tabIndex={0} aria-label={t.captions[view.value]}>
        {view.value === "here" ? <LayersHere seen={seen} /> : <LayersAround seen={seen} />}
      </section>
    </Card>
  );
}

/** The best candidates at the chosen position, a row a layer, and how far the token that came has got. */
function LayersHere({ seen }: { seen: Seen }) {
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

/** Positions shown at once, the chosen one in the middle where it can be. */
const columns = 9;

/** The best candidate of each layer at several positions: a column a position. */
function LayersAround({ seen }: { seen: Seen }) {
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

/** A row for each place between the layers, 0 to `last`; `head` and `row` are the cells behind the row's name. */
function LensTable({
  caption,
  last,
  head,
  row,
}: {
  caption: string;
  last: number;
  head: ComponentChildren;
  row: (layer: number) => ComponentChildren;
}) {
  const t = text().layers;
  return (
    <table class="lens-table">
      <caption class="hidden">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">{t.layer}</th>
          {head}
        </tr>
      </thead>
      <tbody>
        {Array.from({ length: last + 1 }, (_, l) => (
          <tr key={l}>
            <th scope="row">{t.row(l, last)}</th>
            {row(l)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A candidate in a table, shaded by its probability. */
function LensCell({ label, share, came }: { label: string; share: number; came: boolean }) {
  return (
    <td class={came ? "lens came" : "lens"} style={{ "--strength": strength(share) }}>
      <span class="mono">{label}</span>
      <small>{percent(share)}</small>
    </td>
  );
}
