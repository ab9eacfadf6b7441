import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { LessonStep } from "../engine/lesson/protocol.ts";
import { Card } from "../parts/card.tsx";
import { fixed } from "../parts/numbers.ts";
import type { Place } from "./draw-grid.ts";
import { significant } from "./significant.ts";
import { ask, asks, names, position } from "./state.ts";
import { TensorMap } from "./tensor-map.tsx";
import { text } from "./text.ts";

/** What the loss of the selected token asks of each position, in the residual stream and in each head. */
export function AsksCard({ step }: { step: LessonStep }) {
  const t = text().asks;
  const found = asks.value;
  const { L, NH } = step.model;
  const T = step.losses.length;

  useEffect(() => void ask(), [step, position.value]);

  const layers = Array.from({ length: L + 1 }, (_, l) => (l === 0 ? t.embedding : t.layer(l)));
  const heads = Array.from({ length: L * NH }, (_, i) => t.head(Math.floor(i / NH) + 1, (i % NH) + 1));
  return (
    <Card title={t.title(names.value[position.value], names.value[position.value + 1])} class="lesson-asks">
      <p class="hint">{t.about}</p>
      {found && (
        <>
          <Rows label={t.stream} rowNames={layers} data={found.stream} T={T} selected={found.t} />
          <Rows label={t.heads} rowNames={heads} data={found.heads} T={T} selected={found.t} />
          <p role="status">
            {t.most(fixed(found.loss, 3), names.value[found.t + 1], mostAsked(found.heads, T, found.t, names.value))}
          </p>
        </>
      )}
    </Card>
  );
}

function Rows({
  label,
  rowNames,
  data,
  T,
  selected,
}: {
  label: string;
  rowNames: readonly string[];
  data: Float32Array;
  T: number;
  selected: number;
}) {
  const t = text().asks;
  const pointed = useSignal<Place | undefined>(undefined);
  const place =
    pointed.value && pointed.value.column < T && pointed.value.row < rowNames.length ? pointed.value : undefined;
  return (
    <figure>
      <figcaption>{label}</figcaption>
      <TensorMap
        label={`${label} ${t.keys}`}
        rows={rowNames.length}
        columns={T}
        data={data}
        rowNames={rowNames}
        columnNames={names.value.slice(0, T)}
        selectedColumn={selected}
        pointed={place}
        onPoint={(next) => (pointed.value = next)}
        onChoose={({ column }) => (position.value = column)}
      />
      <p class="readout" aria-live="polite">
        {place
          ? t.cell(rowNames[place.row], names.value[place.column], significant(data[place.row * T + place.column]))
          : t.hint}
      </p>
    </figure>
  );
}

/** The earlier token of which the heads are asked most, all layers together; the token itself where there is none. */
function mostAsked(heads: Float32Array, T: number, t: number, tokens: readonly string[]): string {
  const sums = new Float64Array(T);
  for (const [i, norm] of heads.entries()) sums[i % T] += norm;
  const best = sums.subarray(0, t).reduce((most, sum, i) => (sum > sums[most] ? i : most), 0);
  return tokens[best];
}
