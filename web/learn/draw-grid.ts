/** Drawing of a tensor's picture: pixels, names at its edges, the selected row and the pointed cell. */

export interface Place {
  readonly row: number;
  readonly column: number;
}

export interface GridLayout {
  /** Pixels at the left and at the top for names. */
  readonly left: number;
  readonly top: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
  readonly width: number;
  readonly height: number;
}

/** Most rows or columns that have names. */
const mostNamed = 48;
const mostNameWidth = 74;
/** Of a character in the monospaced font of names. */
const characterWidth = 7.3;
const mostHeight = 420;

/** Fits a grid into a width. Names are where there is room for them. */
export function layOutGrid(
  width: number,
  { rows, columns }: { readonly rows: number; readonly columns: number },
  rowNames: readonly string[] | undefined,
  columnNames: readonly string[] | undefined,
): GridLayout {
  const longest = rowNames?.reduce((most, { length }) => Math.max(most, length), 0) ?? 0;
  const left = rowNames && rows <= mostNamed ? Math.min(mostNameWidth, characterWidth * longest + 12) : 0;
  const top = columnNames && columns <= mostNamed ? 22 : 0;
  const cellWidth = Math.max(0.1, Math.min(22, (width - left) / columns));
  const tallest = rows <= 2 ? 26 : rows <= mostNamed ? 16 : 8;
  const cellHeight = Math.min(tallest, Math.max(mostHeight / rows, 0.2));
  return {
    ...{ left, top, cellWidth, cellHeight },
    width: left + cellWidth * columns,
    height: top + cellHeight * rows,
  };
}

export function placeAt(
  { left, top, cellWidth, cellHeight }: GridLayout,
  { rows, columns }: { readonly rows: number; readonly columns: number },
  x: number,
  y: number,
): Place | undefined {
  const [row, column] = [Math.floor((y - top) / cellHeight), Math.floor((x - left) / cellWidth)];
  return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : undefined;
}

export interface GridDrawing {
  readonly image: ImageData;
  readonly layout: GridLayout;
  readonly rowNames: readonly string[] | undefined;
  readonly columnNames: readonly string[] | undefined;
  readonly selectedRow: number | undefined;
  readonly selectedColumn: number | undefined;
  readonly pointed: Place | undefined;
  readonly colours: { readonly ink: string; readonly muted: string; readonly accent: string; readonly font: string };
}

export function drawGrid(context: CanvasRenderingContext2D, drawing: GridDrawing): void {
  const { image, layout, selectedRow, selectedColumn, pointed, colours } = drawing;
  const { left, top, cellWidth, cellHeight, width, height } = layout;
  const source = new OffscreenCanvas(image.width, image.height);
  source.getContext("2d")?.putImageData(image, 0, 0);
  context.clearRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  context.drawImage(source, left, top, width - left, height - top);
  context.lineWidth = 1.5;
  context.strokeStyle = colours.accent;
  if (selectedRow !== undefined)
    context.strokeRect(left + 0.75, top + selectedRow * cellHeight, width - left - 1.5, Math.max(cellHeight, 2));
  if (selectedColumn !== undefined)
    context.strokeRect(left + selectedColumn * cellWidth, top + 0.75, Math.max(cellWidth, 2), height - top - 1.5);
  if (pointed) {
    context.strokeStyle = colours.ink;
    const [w, h] = [Math.max(cellWidth, 4), Math.max(cellHeight, 4)];
    context.strokeRect(left + pointed.column * cellWidth, top + pointed.row * cellHeight, w, h);
  }
  drawNames(context, drawing);
}

function drawNames(
  context: CanvasRenderingContext2D,
  { layout, rowNames, columnNames, pointed, selectedRow, selectedColumn, colours }: GridDrawing,
): void {
  const { left, top, cellWidth, cellHeight } = layout;
  context.font = colours.font;
  context.textBaseline = "middle";
  const inkOf = (i: number, ...marked: (number | undefined)[]) => (marked.includes(i) ? colours.accent : colours.muted);
  if (left > 0 && rowNames) {
    context.textAlign = "right";
    for (const [i, name] of rowNames.entries()) {
      context.fillStyle = inkOf(i, pointed?.row, selectedRow);
      context.fillText(name, left - 5, top + (i + 0.5) * cellHeight, left - 6);
    }
  }
  if (top > 0 && columnNames) {
    context.textAlign = "center";
    for (const [i, name] of columnNames.entries()) {
      context.fillStyle = inkOf(i, pointed?.column, selectedColumn);
      context.fillText(name, left + (i + 0.5) * cellWidth, top / 2, cellWidth - 1);
    }
  }
}
