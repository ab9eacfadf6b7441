import { useLayoutEffect, useRef } from "preact/hooks";
import type { Inspection } from "../../src/inspect/inspect.ts";
import { headOf } from "./attention.ts";
import { heatColours, heatImage, isDark } from "./heat-colours.ts";

/** A head's attention, small: a pixel for each pair of tokens. */
export function HeadThumbnail({ inspection, layer, head }: { inspection: Inspection; layer: number; head: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const T = inspection.tokens.length;
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (canvas.current && context)
      context.putImageData(heatImage(headOf(inspection, layer, head), heatColours(canvas.current)), 0, 0);
  }, [inspection, layer, head, isDark.value]);
  return <canvas ref={canvas} width={T} height={T} />;
}
