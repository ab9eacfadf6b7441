import type { Signal } from "@preact/signals";
import { useId } from "preact/hooks";
import type { Quantity } from "../../src/runs/read-run.ts";
import { Card } from "../parts/card.tsx";
import { Chart } from "../parts/chart.tsx";
import { Choice } from "../parts/choice.tsx";
import { Icon } from "../parts/icon.tsx";
import { Notice } from "../parts/notice.tsx";
import { grouped } from "../parts/numbers.ts";
import { draw, drawingInputs, shownRuns, valuesAt, wordsAt, zoomTo } from "./drawing.ts";
import { written, xOf } from "./format.ts";
import { useScheduled } from "./scheduler.ts";
import { colourOf, cursor, logX, logY, selectedRuns, smoothing, toggle, xKind, zoom } from "./state.ts";
import { Swatch } from "./swatch.tsx";
import { text } from "./text.ts";

/** The charts of the selected runs: the loss large, other quantities small. */
export function Charts() {
  const t = text();
  return (
    <>
      <Card title={t.quantities.loss} tools={<Chips />}>
        <ChartControls />
        <UnknownX />
        <RunChart quantity="loss" />
        <p class="hint">
          {t.lossKey} {t.zoomHint}
        </p>
      </Card>
      <div class="runs-small">
        {(["learningRate", "norm", "tokensPerSecond"] as const).map((quantity) => (
          <Card key={quantity} title={t.quantities[quantity]}>
            <RunChart quantity={quantity} />
          </Card>
        ))}
      </div>
    </>
  );
}

/** Names the runs that lack the selected kind of x. */
function UnknownX() {
  const unknown = selectedRuns.value.filter(({ detail, data }) => detail.value && data && !data.axis(xKind.value));
  if (unknown.length === 0) return null;
  return <Notice kind="warn">{text().unknownX(unknown.map(({ name }) => name).join(", "))}</Notice>;
}

/** The selected runs with their colours. */
function Chips() {
  const t = text();
  return (
    <ul class="chips" aria-label={t.selected}>
      {selectedRuns.value.map(({ key, name }) => (
        <li key={key}>
          <Swatch colour={colourOf(key)} />
          <span>{name}</span>
          <button type="button" class="quiet" aria-label={t.remove(name)} onClick={() => toggle(key)}>
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Positions of the slider, 0 to 80: 0 is no smoothing, 20 more multiply the window by ten. */
const maxPosition = 80;
const windowAt = (position: number) => (position === 0 ? 1 : Math.round(10 ** (position / 20)));
const positionOf = (window: number) => Math.round(20 * Math.log10(window));

/** Kind of x, smoothing, logarithmic axes, and a button that resets the zoom. */
function ChartControls() {
  const t = text();
  return (
    <fieldset class="chart-controls">
      <legend class="hidden">{t.controls}</legend>
      <Choice
        label={t.x}
        values={t.xKinds}
        value={xKind.value}
        onChange={(kind) => {
          xKind.value = kind;
        }}
      />
      <Smoothing />
      <div class="switches">
        <Switch label={t.logY} value={logY} />
        <Switch label={t.logX} value={logX} />
      </div>
      <button
        type="button"
        disabled={zoom.value === undefined}
        onClick={() => {
          zoom.value = undefined;
        }}
      >
        {t.resetZoom}
      </button>
    </fieldset>
  );
}

function Switch({ label, value }: { label: string; value: Signal<boolean> }) {
  return (
    <label class="switch">
      <input
        type="checkbox"
        checked={value.value}
        onChange={({ currentTarget }) => {
          value.value = currentTarget.checked;
        }}
      />
      {label}
    </label>
  );
}

function Smoothing() {
  const t = text();
  const id = useId();
  const window = smoothing.value;
  const shown =
    window === undefined ? t.smoothingAuto : window === 1 ? t.smoothingOff : t.smoothingOver(grouped(window));
  return (
    <div class="field smoothing">
      <label for={id}>
        {t.smoothing} <output for={id}>{shown}</output>
      </label>
      <div>
        <input
          id={id}
          type="range"
          min={0}
          max={maxPosition}
          value={window === undefined ? maxPosition / 2 : positionOf(window)}
          aria-valuetext={shown}
          onInput={({ currentTarget }) => {
            smoothing.value = windowAt(currentTarget.valueAsNumber);
          }}
        />
        <button
          type="button"
          class="quiet"
          aria-pressed={window === undefined}
          onClick={() => {
            smoothing.value = undefined;
          }}
        >
          {t.auto}
        </button>
      </div>
    </div>
  );
}

const heights: Record<Quantity, number> = { loss: 340, learningRate: 170, norm: 170, tokensPerSecond: 170 };

/** Width of the page from which the small charts stand side by side. */
const wideLayout = 900;

/** The curves of one quantity of all selected runs. */
function RunChart({ quantity }: { quantity: Quantity }) {
  const share = quantity !== "loss" && innerWidth >= wideLayout ? 3 : 1;
  const width = Math.min(innerWidth, 1400) / share;
  const drawing = useScheduled(drawingInputs, () => draw(quantity, Math.ceil(width / 2))).value;
  if (!drawing) return <div style={{ height: `${heights[quantity]}px` }} />;
  return (
    <Chart
      {...drawing}
      height={heights[quantity]}
      formatX={(value) => xOf(xKind.peek(), value)}
      formatY={(value) => written(quantity, value, true)}
      onZoom={zoomTo}
      cursor={{
        x: cursor,
        label: text().cursorLabel(text().quantities[quantity]),
        tip: (x) => <ChartTip quantity={quantity} x={x} />,
        words: (x) => wordsAt(quantity, x),
      }}
    />
  );
}

/** The values of all runs at the cursor. */
function ChartTip({ quantity, x }: { quantity: Quantity; x: number }) {
  const t = text();
  const rows = shownRuns().map((shown) => ({ run: shown.run, values: valuesAt(shown, quantity, x) }));
  const kinds = (["raw", "smoothed", "val"] as const).filter((kind) =>
    rows.some(({ values }) => values[kind] !== undefined),
  );
  return (
    <table>
      <thead>
        <tr>
          <th>{t.at[xKind.value](xOf(xKind.value, xKind.value === "updates" ? Math.round(x) : x))}</th>
          {kinds.map((kind) => (
            <td key={kind}>{quantity === "loss" || kind !== "raw" ? t.key[kind] : ""}</td>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ run, values }) => (
          <tr key={run.key}>
            <th>
              <Swatch colour={colourOf(run.key)} />
              {run.name}
            </th>
            {kinds.map((kind) => (
              <td key={kind}>{written(quantity, values[kind])}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
