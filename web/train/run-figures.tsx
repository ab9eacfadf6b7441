import { Figures } from "../parts/figures.tsx";
import { fixed, fixedOr, grouped } from "../parts/numbers.ts";
import { live } from "../store/state.ts";
import { text } from "./live-text.ts";

export function RunFigures() {
  const t = text().figures;
  const { last, valLoss, bestValLoss, bestStep } = live.value.progress;
  return (
    <Figures
      entries={[
        [t.loss, fixedOr(last?.loss, 3)],
        [t.val, fixedOr(valLoss, 3)],
        [
          t.best,
          <>
            {fixedOr(bestValLoss, 3)}
            {bestStep !== undefined && <small> @ {grouped(bestStep)}</small>}
          </>,
        ],
        [t.speed, number(last?.tokensPerSecond, grouped)],
        [t.ms, number(last?.ms, (ms) => fixed(ms, ms < 100 ? 1 : 0))],
      ]}
    />
  );
}

function number(value: number | undefined, show: (value: number) => string): string {
  return value === undefined || !Number.isFinite(value) ? "–" : show(value);
}
