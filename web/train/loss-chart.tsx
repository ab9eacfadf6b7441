import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Card } from "../parts/card.tsx";
import { Chart } from "../parts/chart.tsx";
import { fixed, fixedOr, grouped } from "../parts/numbers.ts";
import { type Range, within } from "../parts/range.ts";
import type { Curves } from "../store/progress.ts";
import { live, runInfo } from "../store/state.ts";
import { text } from "./run-text.ts";

/** The training loss, raw (faint) and smoothed, and the validation loss, with the values under the pointer. */
export function LossChart() {
  const t = text().chart;
  const hovered = useSignal<number | undefined>();
  const zoomed = useSignal<Range | undefined>();
  const now = live.value;
  const { progress } = now;
  // Recomputed per frame of the run, not per move of the pointer.
  const curves = useMemo(() => progress.curves, [now]);
  const { x, train, smoothed, val } = curves;
  const whole: Range = [0, Math.max(20, x[x.length - 1] ?? 0)];
  const range = zoomed.value ?? whole;
  const shown = valuesAt(curves, hovered.value);
  return (
    <Card
      title={t.title}
      class="loss-chart"
      key={runInfo.value?.name}
      tools={<span class="hint">{shown.step !== undefined && t.at(grouped(shown.step))}</span>}
    >
      <p class="keys">
        <Key class="of-update" name={t.train} value={shown.train} />
        <Key class="of-mean" name={t.smoothed} value={shown.smoothed} />
        <Key class="of-val" name={t.val} value={shown.val} />
      </p>
      {x.length === 0 ? (
        <p class="waiting">{t.waiting}</p>
      ) : (
        <Chart
          label={t.label(progress.step, fixedOr(shown.smoothed, 3), fixedOr(progress.valLoss, 3))}
          x={x}
          lines={[
            { colour: "--series-1", values: train, width: 1, opacity: 0.3 },
            { colour: "--series-1", values: smoothed, width: 2.2 },
            { colour: "--series-2", values: val, dots: true },
          ]}
          height={260}
          range={range}
          formatY={(value) => fixed(value, 1)}
          formatX={grouped}
          onHover={(index) => {
            hovered.value = index;
          }}
          onZoom={(next) => {
            zoomed.value = next && within(next, whole);
          }}
        />
      )}
    </Card>
  );
}

function Key({ class: kind, name, value }: { class: string; name: string; value: number | undefined }) {
  return (
    <span class={`key ${kind}`}>
      {name} <span class="value">{value === undefined ? "" : fixed(value, 3)}</span>
    </span>
  );
}

/** Each line's last value up to `index`; default: the newest values. */
function valuesAt({ x, train, smoothed, val }: Curves, index: number | undefined) {
  const at = Math.min(index ?? x.length - 1, x.length - 1);
  const before = (values: readonly (number | null)[]) => {
    for (let i = at; i >= 0; i--) {
      const value = values[i];
      if (value !== null) return value;
    }
    return undefined;
  };
  const step = index === undefined || x.length === 0 ? undefined : Math.round(x[at]);
  return { step, train: before(train), smoothed: before(smoothed), val: before(val) };
}
