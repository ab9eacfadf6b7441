import type { Signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { Choice } from "../parts/choice.tsx";
import { grouped } from "../parts/numbers.ts";
import { logX, logY, smoothing, xKind, zoom } from "./state.ts";
import { text } from "./text.ts";

/** The slider's positions: 0 is none, each 20 more are ten times as many updates. */
const most = 80;
const windowAt = (position: number) => (position === 0 ? 1 : Math.round(10 ** (position / 20)));
const positionOf = (window: number) => Math.round(20 * Math.log10(window));

/** What x is, logarithmic axes, smoothing, and the way back from a zoom. */
export function ChartControls() {
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
          max={most}
          value={window === undefined ? most / 2 : positionOf(window)}
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
