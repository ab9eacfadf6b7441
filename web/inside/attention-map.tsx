import { useSignal } from "@preact/signals";
import type { TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { percent } from "../parts/numbers.ts";
import { useWidth } from "../parts/use-width.ts";
import { type Cell, cellAt, drawMap, layOut } from "./draw-map.ts";
import { heatColours, heatImage } from "./heat-colours.ts";
import { type LabelledInspection, matrix, position } from "./state.ts";
import { text } from "./text.ts";

const font = "12px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace";

/**
 * Attention map of the selected head, a row per query. Pointer and arrow keys read out cells, a click or Enter selects the
 * row's token.
 */
export function AttentionMap({ inspection: { labels }, about }: { inspection: LabelledInspection; about: string }) {
  const t = text().attention;
  const T = labels.length;
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(holder);
  const pointed = useSignal<Cell | undefined>(undefined);
  const layout = layOut(
    width.value,
    T,
    useMemo(() => widest(labels), [labels]),
  );

  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!canvas.current || !context || width.value === 0) return;
    const { size } = layout;
    const ratio = devicePixelRatio;
    canvas.current.width = canvas.current.height = Math.round(size * ratio);
    canvas.current.style.width = canvas.current.style.height = `${size}px`;
    context.scale(ratio, ratio);
    const style = getComputedStyle(canvas.current);
    const colour = (name: string) => style.getPropertyValue(name);
    drawMap(context, {
      image: heatImage(matrix.value, heatColours.value),
      layout,
      labels,
      selected: position.value,
      pointed: within(pointed.value, T),
      colours: { ink: colour("--ink"), muted: colour("--muted"), accent: colour("--accent"), font },
    });
  }, [labels, width.value, matrix.value, position.value, pointed.value, heatColours.value]);

  const point = (event: TargetedPointerEvent<HTMLCanvasElement>) => {
    pointed.value = cellAt(layout, T, event.offsetX, event.offsetY);
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const from = within(pointed.value, T) ?? { query: position.value, key: position.value };
    const next = moved(event.key, from, T);
    if (next) pointed.value = next;
    else if (event.key === "Enter" || event.key === " ") position.value = from.query;
    else return;
    event.preventDefault();
  };

  const cell = within(pointed.value, T);
  return (
    <div class="attention-map" ref={holder}>
      <div
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: its arrow keys read out cells.
        tabIndex={0}
        aria-label={t.map}
        aria-describedby={about}
        onKeyDown={onKeyDown}
        onBlur={() => {
          pointed.value = undefined;
        }}
      >
        <canvas
          ref={canvas}
          onPointerMove={point}
          onPointerDown={point}
          onPointerLeave={() => {
            pointed.value = undefined;
          }}
          onClick={() => {
            if (cell) position.value = cell.query;
          }}
        />
      </div>
      <p class="readout" aria-live="polite">
        {cell
          ? t.looksAt(labels[cell.query], labels[cell.key], percent(matrix.value[cell.query * T + cell.key], 1))
          : t.hint}
      </p>
    </div>
  );
}

/** Drops a cell that a shorter prompt does not have. */
function within(cell: Cell | undefined, T: number): Cell | undefined {
  return cell && cell.query < T ? cell : undefined;
}

function moved(pressed: string, { query, key }: Cell, T: number): Cell | undefined {
  switch (pressed) {
    case "ArrowLeft":
      return { query, key: Math.max(0, key - 1) };
    case "ArrowRight":
      return { query, key: Math.min(query, key + 1) };
    case "ArrowUp":
      return { query: Math.max(0, query - 1), key: Math.min(key, Math.max(0, query - 1)) };
    case "ArrowDown":
      return { query: Math.min(T - 1, query + 1), key };
    default:
      return undefined;
  }
}

function widest(labels: readonly string[]): number {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  if (!context) return 0;
  context.font = font;
  return Math.max(...labels.map((label) => context.measureText(label).width));
}
