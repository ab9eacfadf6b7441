import { useSignal } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { isDark } from "../theme.ts";
import { ChartCursor, pointAt, rangeOf } from "./chart-cursor.tsx";
import { optionsFor } from "./chart-options.ts";
import type { ChartProps } from "./chart-props.ts";
import { Pinch } from "./pinch.ts";

/** A line chart for data that changes many times a second. */
export function Chart(props: ChartProps) {
  const { x, lines, height, label, log, logX, cursor } = props;
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  // Callbacks of the latest render, without recreating the plot.
  const latest = useRef(props);
  latest.current = props;
  const data = [x, ...lines.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  const kind = JSON.stringify([
    [log, logX, height, isDark.value, props.yRange === undefined],
    lines.map(({ colour, width, opacity, dots, dash }) => [colour, width, opacity, dots, dash]),
  ]);

  const [min, max] = rangeOf(props);
  // Layout effects draw in the same frame as the rest; a plot is recreated before it gets other lines.
  useLayoutEffect(() => {
    const element = holder.current;
    if (!element) return;
    const made = new uPlot(optionsFor(element, latest), data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      // It reports the first width as well, in which the plot is drawn already.
      if (width > 0 && width !== made.width) made.setSize({ width, height: latest.current.height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [kind]);

  useLayoutEffect(() => {
    plot.current?.batch((made: uPlot) => {
      made.setData(data, false);
      made.setScale("x", { min, max });
    });
  }, [kind, min, max, ...(props.yRange ?? []), ...data]);

  const pointed = useSignal(false);
  const pinch = useMemo(() => new Pinch(), []);
  const down = (event: PointerEvent) => {
    if (plot.current) pinch.down(plot.current, event);
    if (pinch.isActive) leave();
    else move(event);
  };
  const move = (event: PointerEvent) => {
    const zoomed = plot.current && pinch.move(plot.current, event);
    if (zoomed) props.onZoom?.(zoomed);
    if (pinch.isActive) return;
    pointed.value = true;
    pointAt(plot.current, cursor, event);
  };
  const leave = () => {
    pointed.value = false;
    if (cursor) cursor.x.value = undefined;
  };
  const up = (event: PointerEvent) => pinch.up(event);
  return (
    <div
      class="chart"
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
      onPointerLeave={leave}
    >
      <div role="img" aria-label={label} ref={holder} />
      {cursor && <ChartCursor plot={plot} latest={latest} pointed={pointed} kind={kind} cursor={cursor} />}
    </div>
  );
}
