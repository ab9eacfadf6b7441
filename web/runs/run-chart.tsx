import type { Quantity } from "../../src/runs/read-run.ts";
import { Chart } from "../parts/chart.tsx";
import { ChartTip } from "./chart-tip.tsx";
import { draw, drawingInputs, wordsAt, zoomTo } from "./drawing.ts";
import { written, xOf } from "./format.ts";
import { useScheduled } from "./scheduler.ts";
import { cursor, xKind } from "./state.ts";
import { text } from "./text.ts";

const heights: Record<Quantity, number> = { loss: 340, lr: 170, norm: 170, tokensPerSecond: 170 };

/** From this width on the small charts stand side by side. */
const wide = 900;

/** The curves of one quantity of all selected runs. */
export function RunChart({ quantity }: { quantity: Quantity }) {
  const share = quantity !== "loss" && innerWidth >= wide ? 3 : 1;
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
