import { useSignal } from "@preact/signals";
import type { TargetedKeyboardEvent } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import type { Inspection } from "../../src/inspect/inspect.ts";
import { arrowTarget } from "../parts/arrow-keys.ts";
import { Card } from "../parts/card.tsx";
import { Field } from "../parts/field.tsx";
import { percent } from "../parts/numbers.ts";
import { habitsOf, headOf, strongest } from "./attention.ts";
import { AttentionMap } from "./attention-map.tsx";
import { heatColours, heatImage, strength } from "./heat-colours.ts";
import { head, type LabelledInspection, layer, matrix, position } from "./state.ts";
import { text } from "./text.ts";

/** Attention of all heads as thumbnails, of the selected head as a map, in words and as a table. */
export function AttentionCard({ inspection }: { inspection: LabelledInspection }) {
  const t = text().attention;
  const id = useId();
  const habits = habitsOf(matrix.value);
  return (
    <Card title={t.title} class="inside-attention">
      <p class="hint">{t.about}</p>
      <div class="attention-parts">
        <div class="attention-choice" style={{ "--columns": inspection.NH }}>
          <div class="attention-selects">
            <NumberSelect
              label={t.layer}
              count={inspection.L}
              value={layer.value}
              onChange={(l) => (layer.value = l)}
            />
            <NumberSelect
              label={t.headOne}
              count={inspection.NH}
              value={head.value}
              onChange={(h) => (head.value = h)}
            />
          </div>
          <HeadGrid inspection={inspection} />
          <Legend />
          {habits && (
            <p class="habits" id={id}>
              {t.habits(percent(habits.before), percent(habits.itself), percent(habits.first))}
            </p>
          )}
        </div>
        <AttentionMap inspection={inspection} about={id} />
      </div>
      <AttentionStrip inspection={inspection} />
      <AttentionTable inspection={inspection} />
    </Card>
  );
}

/** Selects one of `count` items, which are numbered from 1 for people. */
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
      {/* The scale is a square root: see heat-colours.ts. */}
      {[0, 0.25, 0.5, 0.75, 1].map((strength) => (
        <span key={strength}>{percent(strength ** 2)}</span>
      ))}
    </div>
  );
}

/** All heads, a row per layer; one is selected. */
function HeadGrid({ inspection }: { inspection: LabelledInspection }) {
  const { L, NH } = inspection;
  const t = text().attention;
  const selected = layer.value * NH + head.value;
  const select = (index: number) => {
    layer.value = Math.floor(index / NH);
    head.value = index % NH;
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const target = arrowTarget(event.key, selected, L * NH, NH);
    if (target === undefined) return;
    event.preventDefault();
    select(target);
    event.currentTarget.querySelectorAll("button")[target].focus();
  };
  return (
    <div class="head-grid" role="radiogroup" aria-label={t.heads} onKeyDown={onKeyDown}>
      {Array.from({ length: L * NH }, (_, index) => {
        const name = t.head(Math.floor(index / NH) + 1, (index % NH) + 1);
        return (
          // biome-ignore lint/a11y/useSemanticElements: pictures are selected, and arrows move in both directions.
          <button
            key={name}
            type="button"
            role="radio"
            aria-checked={index === selected}
            aria-label={name}
            title={name}
            tabIndex={index === selected ? 0 : -1}
            onClick={() => select(index)}
          >
            <HeadThumbnail inspection={inspection} layer={Math.floor(index / NH)} head={index % NH} />
          </button>
        );
      })}
    </div>
  );
}

/** A head's attention in thumbnail size: a pixel for each pair of tokens. */
function HeadThumbnail({ inspection, layer, head }: { inspection: Inspection; layer: number; head: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const T = inspection.tokens.length;
  useEffect(() => {
    // A timer per head keeps the page responsive: large models have more than a hundred.
    const timer = setTimeout(() => {
      const image = heatImage(headOf(inspection, layer, head), heatColours.value);
      canvas.current?.getContext("2d", { willReadFrequently: true })?.putImageData(image, 0, 0);
    });
    return () => clearTimeout(timer);
  }, [inspection, layer, head, heatColours.value]);
  return <canvas ref={canvas} width={T} height={T} />;
}

/** The text up to the selected token, shaded by the selected head's attention, and the strongest tokens in words. */
function AttentionStrip({ inspection: { labels } }: { inspection: LabelledInspection }) {
  const t = text().attention;
  const query = position.value;
  const row = matrix.value.subarray(query * labels.length, query * labels.length + query + 1);
  const most = strongest(matrix.value, query, 3).map(({ key, share }) => t.weight(labels[key], percent(share)));
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

/** All numbers of the selected head, on demand: exact, and accessible without the map. */
function AttentionTable({ inspection }: { inspection: LabelledInspection }) {
  const t = text().attention;
  const isOpen = useSignal(false);
  return (
    <details class="attention-table" onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary>{t.asTable}</summary>
      {isOpen.value && <AttentionNumbers inspection={inspection} />}
    </details>
  );
}

function AttentionNumbers({ inspection: { labels } }: { inspection: LabelledInspection }) {
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
