/** Layout and drawing of the attention map. */

/** A cell: a query and a key position. */
export interface Cell {
  readonly query: number;
  readonly key: number;
}

/** In CSS pixels. Labels stand left of the cells and above them. */
interface MapLayout {
  /** Space for labels, left and above. */
  readonly labels: number;
  /** Width and height of a cell. */
  readonly cell: number;
  /** Width and height of the whole map. */
  readonly size: number;
  /** Every how many tokens a label fits. */
  readonly every: number;
}

const largestCell = 30;
const labelHeight = 11;
/** Below and right of the cells, for labels and lines that extend beyond the last ones. */
const margin = 4;

/** `labels`: the width of the widest label. */
export function layOut(width: number, T: number, labels: number): MapLayout {
  const space = Math.max(2 * labelHeight, Math.min(labels, width / 4) + 8);
  const cell = Math.min(largestCell, (width - space - margin) / T);
  return { labels: space, cell, size: space + cell * T + margin, every: Math.max(1, Math.ceil(labelHeight / cell)) };
}

/** The cell at a point; undefined outside and above the diagonal. */
export function cellAt({ labels, cell }: MapLayout, T: number, x: number, y: number): Cell | undefined {
  const key = Math.floor((x - labels) / cell);
  const query = Math.floor((y - labels) / cell);
  return key >= 0 && key <= query && query < T ? { query, key } : undefined;
}

interface MapColours {
  readonly ink: string;
  readonly muted: string;
  readonly accent: string;
  readonly font: string;
}

interface MapDrawing {
  readonly image: ImageData;
  readonly layout: MapLayout;
  readonly labels: readonly string[];
  /** The query whose row is marked. */
  readonly selected: number;
  /** The cell under the pointer. */
  readonly pointed: Cell | undefined;
  readonly colours: MapColours;
}

/** Draws on a context whose unit is a CSS pixel. */
export function drawMap(context: CanvasRenderingContext2D, drawing: MapDrawing): void {
  const { image, layout, selected, pointed, colours } = drawing;
  const { labels, cell, size } = layout;
  context.clearRect(0, 0, size, size);

  const pixels = new OffscreenCanvas(image.width, image.height);
  pixels.getContext("2d")?.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(pixels, labels, labels, cell * image.width, cell * image.width);

  context.lineWidth = 1.5;
  context.strokeStyle = colours.accent;
  context.strokeRect(labels, labels + selected * cell, (selected + 1) * cell, cell);
  if (pointed) {
    context.strokeStyle = colours.ink;
    context.strokeRect(labels + pointed.key * cell, labels + pointed.query * cell, cell, cell);
  }
  drawLabels(context, drawing);
}

function drawLabels(
  context: CanvasRenderingContext2D,
  { layout, labels, selected, pointed, colours }: MapDrawing,
): void {
  const { labels: space, cell, every } = layout;
  const middle = (t: number) => space + (t + 0.5) * cell;
  context.font = colours.font;
  context.textBaseline = "middle";
  for (const [t, label] of labels.entries()) {
    const isRow = t === pointed?.query || t === selected;
    const isColumn = t === pointed?.key;
    // If not all labels fit, marked ones displace their neighbours.
    const fits = (...marked: (number | undefined)[]) =>
      t % every === 0 && marked.every((other) => other === undefined || Math.abs(other - t) >= every);
    context.fillStyle = isRow ? colours.accent : colours.muted;
    if (isRow || fits(pointed?.query, selected)) {
      context.textAlign = "right";
      context.fillText(label, space - 5, middle(t), space - 8);
    }
    context.fillStyle = isColumn ? colours.accent : colours.muted;
    if (isColumn || fits(pointed?.key)) {
      context.save();
      context.translate(middle(t), space - 5);
      if (context.measureText(label).width > cell * every) context.rotate(-Math.PI / 2);
      else context.translate(-context.measureText(label).width / 2, -5);
      context.textAlign = "left";
      context.fillText(label, 0, 0, space - 8);
      context.restore();
    }
  }
}
