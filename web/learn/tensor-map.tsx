import type { TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { useWidth } from "../parts/use-width.ts";
import { drawGrid, layOutGrid, type Place, placeAt } from "./draw-grid.ts";
import { signedColours, signedImage } from "./signed-colours.ts";

const font = "12px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace";

interface TensorMapProps {
  /** For screen readers. */
  readonly label: string;
  readonly rows: number;
  readonly columns: number;
  /** (rows,columns) */
  readonly data: Float32Array;
  readonly rowNames?: readonly string[];
  readonly columnNames?: readonly string[];
  readonly selectedRow?: number;
  readonly selectedColumn?: number;
  readonly pointed: Place | undefined;
  readonly onPoint: (place: Place | undefined) => void;
  /** A click, or Enter. */
  readonly onChoose?: (place: Place) => void;
}

/** A picture of numbers: pointer, touch and arrow keys read out cells. */
export function TensorMap(props: TensorMapProps) {
  const { label, rows, columns, data, rowNames, columnNames, selectedRow, selectedColumn, pointed } = props;
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(holder);
  const image = useMemo(
    () => signedImage(data, columns, largestOf(data), signedColours.value),
    [data, columns, signedColours.value],
  );
  const layout = layOutGrid(width.value, props, rowNames, columnNames);

  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!canvas.current || !context || width.value === 0) return;
    const ratio = devicePixelRatio;
    canvas.current.width = Math.ceil(layout.width * ratio);
    canvas.current.height = Math.ceil(layout.height * ratio);
    canvas.current.style.width = `${layout.width}px`;
    canvas.current.style.height = `${layout.height}px`;
    context.scale(ratio, ratio);
    const style = getComputedStyle(canvas.current);
    const colour = (name: string) => style.getPropertyValue(name);
    const colours = { ink: colour("--ink"), muted: colour("--muted"), accent: colour("--accent"), font };
    drawGrid(context, { image, layout, rowNames, columnNames, selectedRow, selectedColumn, pointed, colours });
  }, [image, width.value, pointed, selectedRow, selectedColumn, rowNames, columnNames]);

  const point = (event: TargetedPointerEvent<HTMLCanvasElement>) =>
    props.onPoint(placeAt(layout, { rows, columns }, event.offsetX, event.offsetY));
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const from = pointed ?? { row: selectedRow ?? 0, column: selectedColumn ?? 0 };
    const next = moved(event.key, from, rows, columns);
    if (next) props.onPoint(pointed ? next : from);
    else if ((event.key === "Enter" || event.key === " ") && props.onChoose) props.onChoose(from);
    else return;
    event.preventDefault();
  };

  return (
    <div class="tensor-map" ref={holder}>
      <div
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: its arrow keys read out cells.
        tabIndex={0}
        aria-label={label}
        onKeyDown={onKeyDown}
        onBlur={() => props.onPoint(undefined)}
      >
        <canvas
          ref={canvas}
          onPointerMove={point}
          onPointerDown={point}
          onPointerLeave={({ pointerType }) => {
            // A finger leaves by being lifted: what it pointed at stays.
            if (pointerType === "mouse") props.onPoint(undefined);
          }}
          onClick={() => {
            if (pointed) props.onChoose?.(pointed);
          }}
        />
      </div>
    </div>
  );
}

function largestOf(data: Float32Array): number {
  let most = 0;
  for (const value of data) if (Math.abs(value) > most) most = Math.abs(value);
  return most;
}

function moved(key: string, { row, column }: Place, rows: number, columns: number): Place | undefined {
  switch (key) {
    case "ArrowLeft":
      return { row, column: Math.max(0, column - 1) };
    case "ArrowRight":
      return { row, column: Math.min(columns - 1, column + 1) };
    case "ArrowUp":
      return { row: Math.max(0, row - 1), column };
    case "ArrowDown":
      return { row: Math.min(rows - 1, row + 1), column };
    case "Home":
      return { row, column: 0 };
    case "End":
      return { row, column: columns - 1 };
    default:
      return undefined;
  }
}
