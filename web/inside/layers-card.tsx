import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Card } from "../parts/card.tsx";
import { Choice } from "../parts/choice.tsx";
import { percent } from "../parts/numbers.ts";
import { strength } from "./heat-colours.ts";
import { type LabelledInspection, labelOf, position } from "./state.ts";
import { text } from "./text.ts";

/** The logit lens: predictions after each layer. */
export function LayersCard({ inspection }: { inspection: LabelledInspection }) {
  const t = text().layers;
  const view = useSignal<"here" | "around">("here");
  return (
    <Card title={t.title} class="inside-layers">
      <p class="hint">{t.about}</p>
      <Choice label={t.view} values={t.views} value={view.value} onChange={(next) => (view.value = next)} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls. */}
      <section class="scroll" tabIndex={0} aria-label={t.captions[view.value]}>
        {view.value === "here" ? <LayersHere inspection={inspection} /> : <LayersAround inspection={inspection} />}
      </section>
    </Card>
  );
}

/** The best candidates at the selected position, a row per layer, with rank and probability of the actual next token. */
function LayersHere({ inspection }: { inspection: LabelledInspection }) {
  const t = text().layers;
  const { lens, tokens, next } = inspection;
  const at = position.value;
  const actual = at + 1 < tokens.length ? tokens[at + 1] : undefined;
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
          {actual !== undefined && (
            <th scope="col" class="actual-head">
              {t.actual} <span class="mono">{labelOf(inspection, actual)}</span>
            </th>
          )}
        </>
      }
      row={(l) => (
        <>
          {Array.from({ length: shown }, (_, i) => {
            const token = lens[l].tokens[at * next.top + i];
            const share = lens[l].probabilities[at * next.top + i];
            return <LensCell key={i} label={labelOf(inspection, token)} share={share} isActual={token === actual} />;
          })}
          {actual !== undefined && (
            <td class="actual-share">
              {t.place(lens[l].rank[at])} <small>{percent(lens[l].actual[at], 1)}</small>
            </td>
          )}
        </>
      )}
    />
  );
}

/** Positions shown at once, with the selected one in the middle if possible. */
const columns = 9;

/** The best candidate of each layer at several positions, a column per position. */
function LayersAround({ inspection }: { inspection: LabelledInspection }) {
  const t = text().layers;
  const { lens, tokens, labels, next } = inspection;
  const first = Math.max(0, Math.min(position.value - Math.floor(columns / 2), tokens.length - columns));
  const positions = Array.from({ length: Math.min(columns, tokens.length) }, (_, i) => first + i);
  return (
    <LensTable
      caption={t.captions.around}
      last={lens.length - 1}
      head={positions.map((at) => (
        <th key={at} scope="col" class={at === position.value ? "is-selected" : undefined}>
          <span class="mono">{labels[at]}</span>
        </th>
      ))}
      row={(l) =>
        positions.map((at) => {
          const token = lens[l].tokens[at * next.top];
          const share = lens[l].probabilities[at * next.top];
          return (
            <LensCell key={at} label={labelOf(inspection, token)} share={share} isActual={token === tokens[at + 1]} />
          );
        })
      }
    />
  );
}

/** A row for the embedding and each layer, 0 to `last`; `head` and `row`: the cells after the row's name. */
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

/** A candidate, shaded by its probability. */
function LensCell({ label, share, isActual }: { label: string; share: number; isActual: boolean }) {
  return (
    <td class={isActual ? "lens actual" : "lens"} style={{ "--strength": strength(share) }}>
      <span class="mono">{label}</span>
      <small>{percent(share)}</small>
    </td>
  );
}
