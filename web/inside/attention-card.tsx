import { useSignal } from "@preact/signals";
import type { TargetedKeyboardEvent } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import type { Inspection } from "../../src/inspect/inspect.ts";
import { Card } from "../parts/card.tsx";
import { Field } from "../parts/field.tsx";
import { percent } from "../parts/numbers.ts";
import { arrowTarget } from "./arrow-keys.ts";
import { habitsOf, headOf, strongest } from "./attention.ts";
import { AttentionMap } from "./attention-map.tsx";
import { heatColours, heatImage, strength } from "./heat-colours.ts";
import { head, layer, matrix, position, type Seen } from "./state.ts";
import { text } from "./text.ts";

/** What the heads look at: all of them small, one large, and in words. */
export function AttentionCard({ seen }: { seen: Seen }) {
  const t = text().attention;
  const id = useId();
  const habits = habitsOf(matrix.value);
  return (
    <Card title={t.title} class="inside-attention">
      <p class="hint">{t.about}</p>
      <div class="attention-parts">
        <div class="attention-choice" style={{ "--columns": seen.NH }}>
          <div class="attention-selects">
            <NumberSelect label={t.layer} count={seen.L} value={layer.value} onChange={(l) => (layer.value = l)} />
            <NumberSelect label={t.headOne} count={seen.NH} value={head.value} onChange={(h) => (head.value = h)} />
          </div>
          <HeadGrid seen={seen} />
          <Legend />
          {habits && (
            <p class="habits" id={id}>
              {t.habits(percent(habits.before), percent(habits.itself), percent(habits.first))}
            </p>
          )}
        </div>
        <AttentionMap seen={seen} about={id} />
      </div>
      <AttentionStrip seen={seen} />
      <AttentionTable seen={seen} />
    </Card>
  );
}

/** One of `count` things, which people count from 1. */
function NumberSelect({
  label,
  count,
  value,
  onChange,
}: {
  label: string;
  count: number;
  value: number;
  onChange: (value: number) => void;
}) {
  return (
    <Field label={label}>
      {(attributes) => (
        <select {...attributes} value={value} onChange={(event) => onChange(Number(event.currentTarget.value))}>
          {Array.from({ length: count }, (_, i) => (
            <option key={i} value={i}>
              {i + 1}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Legend() {
  return (
    <div class="legend" aria-hidden="true">
      <div class="legend-bar" />
      {/* The scale is a root: see heat-colours.ts. */}
      {[0, 0.25, 0.5, 0.75, 1].map((strength) => (
        <span key={strength}>{percent(strength ** 2)}</span>
      ))}
    </div>
  );
}

/** All heads, a row a layer, of which one is chosen. */
function HeadGrid({ seen }: { seen: Seen }) {
  const { L, NH } = seen;
  const t = text().attention;
  const chosen = layer.value * NH + head.value;
  const choose = (index: number) => {
    layer.value = Math.floor(index / NH);
    head.value = index % NH;
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const target = arrowTarget(event.key, chosen, L * NH, NH);
    if (target === undefined) return;
    event.preventDefault();
    choose(target);
    event.currentTarget.querySelectorAll("button")[target].focus();
  };
  return (
    <div class="head-grid" role="radiogroup" aria-label={t.heads} onKeyDown={onKeyDown}>
      {Array.from({ length: L * NH }, (_, index) => {
        const name = t.head(Math.floor(index / NH) + 1, (index % NH) + 1);
        return (
          // biome-ignore lint/a11y/useSemanticElements: a picture is chosen, and arrows move in both directions.
          <button
            key={name}
            type="button"
            role="radio"
            aria-checked={index === chosen}
            aria-label={name}
            title={name}
            tabIndex={index === chosen ? 0 : -1}
            onClick={() => choose(index)}
          >
            <HeadThumbnail inspection={seen} layer={Math.floor(index / NH)} head={index % NH} />
          </button>
        );
      })}
    </div>
  );
}

/** A head's attention, small: a pixel for each pair of tokens. */
function HeadThumbnail({ inspection, layer, head }: { inspection: Inspection; layer: number; head: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const T = inspection.tokens.length;
  useEffect(() => {
    // Each in a turn of its own: a large model has more than a hundred, and the page stays responsive.
    const timer = setTimeout(() => {
      const image = heatImage(headOf(inspection, layer, head), heatColours.value);
      canvas.current?.getContext("2d", { willReadFrequently: true })?.putImageData(image, 0, 0);
    });
    return () => clearTimeout(timer);
  }, [inspection, layer, head, heatColours.value]);
  return <canvas ref={canvas} width={T} height={T} />;
}

/** The text up to the chosen token, shaded by how much the chosen head looks at each, and the strongest in words. */
function AttentionStrip({ seen: { labels } }: { seen: Seen }) {
  const t = text().attention;
  const query = position.value;
  const row = matrix.value.subarray(query * labels.length, query * labels.length + query + 1);
  const most = strongest(matrix.value, query, 3).map(({ key, share }) => t.look(labels[key], percent(share)));
  return (
    <div class="attention-strip">
      <h3>{t.from(labels[query])}</h3>
      <p class="looked-at mono" aria-hidden="true">
        {Array.from(row, (share, key) => (
          <span
            key={key}
            class={key === query ? "token is-query" : "token"}
            title={percent(share, 1)}
            style={{ "--strength": strength(share) }}
          >
            {labels[key]}
          </span>
        ))}
      </p>
      <p>{t.most(most)}</p>
    </div>
  );
}

/** The numbers of the chosen head, on demand: for those who do not see the map, and who want to know exactly. */
function AttentionTable({ seen }: { seen: Seen }) {
  const t = text().attention;
  const isOpen = useSignal(false);
  return (
    <details class="attention-table" onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary>{t.asTable}</summary>
      {isOpen.value && <AttentionNumbers seen={seen} />}
    </details>
  );
}

function AttentionNumbers({ seen: { labels } }: { seen: Seen }) {
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
