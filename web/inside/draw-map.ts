/** The large heat map: what is where on it, and how it is drawn. */

/** A pair of positions: the one that looks, and the one that is looked at. */
export interface Cell {
  readonly query: number;
  readonly key: number;
}

/** In CSS pixels: labels stand left of the cells and above them. */
export interface MapLayout {
  readonly labels: number;
  readonly cell: number;
  /** Of the whole map, in both directions. */
  readonly size: number;
  /** Every so many tokens there is room for a label. */
  readonly every: number;
}

const largestCell = 30;
const labelHeight = 11;
/** Below and right of the cells, for labels and lines that reach beyond the last ones. */
const margin = 4;

/** `labels`: the width of the widest label. */
export function layOut(width: number, T: number, labels: number): MapLayout {
  const room = Math.max(2 * labelHeight, Math.min(labels, width / 4) + 8);
  const cell = Math.min(largestCell, (width - room - margin) / T);
  return { labels: room, cell, size: room + cell * T + margin, every: Math.max(1, Math.ceil(labelHeight / cell)) };
}

/** The cell at a point; undefined where there is none, as above the diagonal. */
export function cellAt({ labels, cell }: MapLayout, T: number, x: number, y: number): Cell | undefined {
  const key = Math.floor((x - labels) / cell);
  const query = Math.floor((y - labels) / cell);
  return key >= 0 && key <= query && query < T ? { query, key } : undefined;
}

export interface MapColours {
  readonly ink: string;
  readonly muted: string;
  readonly accent: string;
  readonly font: string;
}

export interface MapDrawing {
  readonly image: ImageData;
  readonly layout: MapLayout;
  readonly labels: readonly string[];
  /** The position whose row is marked. */
  readonly chosen: number;
  /** The cell that is pointed at. */
  readonly pointed: Cell | undefined;
  readonly colours: MapColours;
}

/** Draws on a context whose unit is a CSS pixel. */
export function drawMap(context: CanvasRenderingContext2D, drawing: MapDrawing): void {
  const { image, layout, chosen, pointed, colours } = drawing;
  const { labels, cell, size } = layout;
  context.clearRect(0, 0, size, size);

  const pixels = new OffscreenCanvas(image.width, image.height);
  pixels.getContext("2d")?.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(pixels, labels, labels, cell * image.width, cell * image.width);

  context.lineWidth = 1.5;
  context.strokeStyle = colours.accent;
  context.strokeRect(labels, labels + chosen * cell, (chosen + 1) * cell, cell);
  if (pointed) {
    context.strokeStyle = colours.ink;
    context.strokeRect(labels + pointed.key * cell, labels + pointed.query * cell, cell, cell);
  }
  drawLabels(context, drawing);
}

function drawLabels(context: CanvasRenderingContext2D, { layout, labels, chosen, pointed, colours }: MapDrawing): void {
  const { labels: room, cell, every } = layout;
  const middle = (t: number) => room + (t + 0.5) * cell;
  context.font = colours.font;
  context.textBaseline = "middle";
  for (const [t, label] of labels.entries()) {
    const isRow = t === pointed?.query || t === chosen;
    const isColumn = t === pointed?.key;
    // Where not all have room, those that matter push their neighbours aside.
    const hasRoom = (...marked: (number | undefined)[]) =>
      t % every === 0 && marked.every((other) => other === undefined || Math.abs(other - t) >= every);
    context.fillStyle = isRow ? colours.accent : colours.muted;
    if (isRow || hasRoom(pointed?.query, chosen)) {
      context.textAlign = "right";
      context.fillText(label, room - 5, middle(t), room - 8);
    }
    context.fillStyle = isColumn ? colours.accent : colours.muted;
    if (isColumn || hasRoom(pointed?.key)) {
      context.save();
      context.translate(middle(t), room - 5);
      if (context.measureText(label).width > cell * every) context.rotate(-Math.PI / 2);
      else context.translate(-context.measureText(label).width / 2, -5);
      context.textAlign = "left";
      context.fillText(label, 0, 0, room - 8);
      context.restore();
    }
  }
}
