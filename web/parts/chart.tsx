import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../theme.ts";

/** A line over the shared x values. */
export interface ChartLine {
  /** The CSS variable of its colour, such as --series-1. */
  readonly colour: string;
  /** One for each x; null where there is none. */
  readonly values: ArrayLike<number | null>;
  readonly width?: number;
  readonly opacity?: number;
  /** Dots instead of a line. */
  readonly dots?: boolean;
}

export interface ChartProps {
  /** Says in words what is seen, for those who do not see it. */
  readonly label: string;
  /** Ascending. */
  readonly x: ArrayLike<number>;
  readonly lines: readonly ChartLine[];
  readonly height: number;
  readonly log?: boolean;
  readonly formatY?: (value: number) => string;
  readonly formatX?: (value: number) => string;
  /** The index of the x under the pointer, or undefined when it leaves. */
  readonly onHover?: (index: number | undefined) => void;
  /** The range that was selected by dragging; undefined after a double click. */
  readonly onZoom?: (range: readonly [number, number] | undefined) => void;
  /** What is shown of x; default: all. */
  readonly range?: readonly [number, number];
}

/** A line chart that keeps up with data that comes in many times a second. */
export function Chart(props: ChartProps) {
  const { x, lines, height, label, log, range } = props;
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  // The handlers of the newest drawing, without making the plot anew for each.
  const latest = useRef(props);
  latest.current = props;
  const data = [x, ...lines.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  const kind = JSON.stringify([
    log,
    theme.value,
    lines.map(({ colour, width, opacity, dots }) => [colour, width, opacity, dots]),
  ]);

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const made = new uPlot(optionsFor(element, latest), data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0) made.setSize({ width, height: latest.current.height });
    });
    observer.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => made.redraw(false);
    dark.addEventListener("change", redraw);
    return () => {
      dark.removeEventListener("change", redraw);
      observer.disconnect();
      made.destroy();
    };
  }, [kind, height]);

  useEffect(() => {
    plot.current?.setData(data, false);
    const [min, max] = range ?? [x[0] ?? 0, x[x.length - 1] ?? 1];
    plot.current?.setScale("x", { min, max: max > min ? max : min + 1 });
  });

  return <div class="chart" role="img" aria-label={label} ref={holder} />;
}

/** The value of a CSS variable that is registered as a colour. */
function colourOf(element: Element, name: string): string {
  return getComputedStyle(element).getPropertyValue(name);
}

function optionsFor(element: HTMLElement, latest: { readonly current: ChartProps }): uPlot.Options {
  const { lines, height, log } = latest.current;
  const muted = () => colourOf(element, "--muted");
  const grid = { stroke: () => colourOf(element, "--line"), width: 1 };
  const axis = { stroke: muted, grid, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const format = (value: number, how: ChartProps["formatX"]) => (value === null ? "" : (how ?? String)(value));
  return {
    width: Math.max(1, element.clientWidth),
    height,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
    axes: [
      { ...axis, size: 32, values: (_, ticks) => ticks.map((value) => format(value, latest.current.formatX)) },
      { ...axis, size: 56, values: (_, ticks) => ticks.map((value) => format(value, latest.current.formatY)) },
    ],
    cursor: { y: false, points: { size: 7 }, drag: { setScale: false } },
    series: [
      {},
      ...lines.map(({ colour, width = 1.5, opacity = 1, dots }) => ({
        stroke: () => colourOf(element, colour),
        alpha: opacity,
        width: dots ? 0 : width,
        spanGaps: true,
        points: { show: dots ?? false, size: 6, fill: () => colourOf(element, colour) },
      })),
    ],
    hooks: {
      setCursor: [({ cursor }) => latest.current.onHover?.(cursor.idx ?? undefined)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 4) return;
          latest.current.onZoom?.([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        },
      ],
      ready: [({ over }) => over.addEventListener("dblclick", () => latest.current.onZoom?.(undefined))],
    },
  };
}
