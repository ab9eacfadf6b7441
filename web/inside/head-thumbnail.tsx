import { useEffect, useRef } from "preact/hooks";
import type { Inspection } from "../../src/inspect/inspect.ts";
import { headOf } from "./attention.ts";
import { heatColours, heatImage } from "./heat-colours.ts";

/** A head's attention, small: a pixel for each pair of tokens. */
export function HeadThumbnail({ inspection, layer, head }: { inspection: Inspection; layer: number; head: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const T = inspection.tokens.length;
  useEffect(() => {
    // Each in a turn of its own: a large model has more than a hundred, and the page stays responsive.
    const timer = setTimeout(() => {
      const image = heatImage(headOf(inspection, layer, head), heatColours.value);
      canvas.current?.getContext("2d", { willReadFrequently: true })?.putImageData(image, 0, 0);
    });
    return () => clearTimeout(timer);
  }, [inspection, layer, head, heatColours.value]);
  return <canvas ref={canvas} width={T} height={T} />;
}
