import type uPlot from "uplot";
import { logTicks } from "../../src/plot/axes.ts";
import type { ChartProps } from "./chart-props.ts";

/** Increments between ticks of x, whole since updates, tokens and seconds are. */
const wholeIncrements = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat();

const font = "12px system-ui, sans-serif";

/** The value of a CSS variable registered as a colour. */
function colourOf(element: Element, name: string): string {
  return getComputedStyle(element).getPropertyValue(name);
}

/** uPlot's options for a chart in `element`. Callbacks are those of the latest properties. */
export function optionsFor(element: HTMLElement, latest: { readonly current: ChartProps }): uPlot.Options {
  const { lines, height, log, logX, yRange } = latest.current;
  const grid = { stroke: () => colourOf(element, "--line"), width: 1 };
  const axis = { stroke: () => colourOf(element, "--muted"), grid, ticks: { show: false }, font };
  return {
    width: Math.max(1, element.clientWidth),
    height,
    padding: [10, 24, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: false, distr: logX ? 3 : 1 },
      y: { distr: log ? 3 : 1, ...(yRange && { range: () => [...(latest.current.yRange ?? yRange)] }) },
    },
    axes: [
      {
        ...axis,
        size: 32,
        incrs: wholeIncrements,
        values: (_, ticks) => ticks.map((value) => written(value, latest.current.formatX)),
        ...(logX && logAxis(({ over }) => over.clientWidth / 110)),
      },
      {
        ...axis,
        size: 58,
        values: (_, ticks) => ticks.map((value) => written(value, latest.current.formatY)),
        ...(log && logAxis(({ over }) => over.clientHeight / 45)),
      },
    ],
    cursor: {
      y: false,
      points: { size: (_, i) => ((lines[i - 1].opacity ?? 1) < 0.5 ? 0 : 7) },
      drag: { setScale: false },
      hover: { skip: [null] },
    },
    series: [{}, ...lines.map((line) => seriesOf(element, line))],
    hooks: {
      setCursor: [({ cursor }) => latest.current.onHover?.(cursor.idx ?? undefined)],
      setSelect: [(plot) => zoomTo(plot, latest.current)],
      ready: [({ over }) => over.addEventListener("dblclick", () => latest.current.onZoom?.(undefined))],
    },
  };
}

function written(value: number | null, how: (value: number) => string = String): string {
  return value === null ? "" : how(value);
}

/** Finer ticks than uPlot's powers of ten, of which a loss shows one at most. */
function logAxis(count: (plot: uPlot) => number): uPlot.Axis {
  return {
    splits: (plot, _, min, max) => logTicks(min, max, count(plot)),
    filter: (_, ticks) => ticks,
  };
}

function seriesOf(element: Element, line: ChartProps["lines"][number]): uPlot.Series {
  const { colour, width = 1.5, opacity = 1, dots = false, dash } = line;
  const stroke = () => colourOf(element, colour);
  return {
    stroke,
    alpha: opacity,
    width: dots && !dash ? 0 : width,
    dash: dash ? [2, 5] : undefined,
    spanGaps: true,
    points: { show: dots, size: 6, fill: stroke },
  };
}

function zoomTo(plot: uPlot, { onZoom }: ChartProps): void {
  const { left, width } = plot.select;
  if (width < 4) return;
  onZoom?.([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
  plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
}
