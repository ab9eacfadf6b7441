import { useId } from "preact/hooks";
import { Card } from "../parts/card.tsx";
import { Field } from "../parts/field.tsx";
import { percent } from "../parts/numbers.ts";
import { habitsOf } from "./attention.ts";
import { AttentionMap } from "./attention-map.tsx";
import { AttentionStrip } from "./attention-strip.tsx";
import { AttentionTable } from "./attention-table.tsx";
import { HeadGrid } from "./head-grid.tsx";
import { head, layer, matrix, type Seen } from "./state.ts";
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
            <Numbers label={t.layer} count={seen.L} value={layer.value} onChange={(l) => (layer.value = l)} />
            <Numbers label={t.headOne} count={seen.NH} value={head.value} onChange={(h) => (head.value = h)} />
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
function Numbers({
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
