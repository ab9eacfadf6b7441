/** Columns that text takes in a terminal: two for Chinese and emoji, none for colours and combining marks. */
import measure from "fast-string-truncated-width";

export function textWidth(text: string): number {
  return measure(text).width;
}

/** The index in `text` up to which it fits into `columns`. */
export function fittingIndex(text: string, columns: number): number {
  if (textWidth(text) <= columns) return text.length;
  let width = 0;
  for (const [index, piece] of pieces(text)) {
    width += textWidth(piece);
    if (width > columns) return index;
  }
  return text.length;
}

/** Made when needed: it takes 20 ms, a tenth of a command's start. */
let graphemes: Intl.Segmenter | undefined;

/** Colour codes and what is read as one character, each with its index. */
function* pieces(text: string): Generator<[index: number, piece: string]> {
  graphemes ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what it is about
  for (const { 0: part, index: start } of text.matchAll(/\x1b\[[\d;]*m|\x1b?[^\x1b]*/g))
    if (part.startsWith("\x1b[") && part.endsWith("m")) yield [start, part];
    else for (const { index, segment } of graphemes.segment(part)) yield [start + index, segment];
}

/** The longest prefix of a text that fits into `columns`. */
export function cutToWidth(text: string, columns: number): string {
  return text.slice(0, fittingIndex(text, columns));
}

export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - textWidth(text)));
}

export function padStart(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - textWidth(text))) + text;
}

/** A table of text: the columns in `left`, the first at least, to the left, all others to the right. */
export function table(
  head: readonly string[],
  body: readonly (readonly string[])[],
  left: readonly number[] = [0],
): string {
  const lines = [head, ...body];
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => textWidth(cells[column]))));
  const text = lines.map((cells) =>
    cells
      .map((cell, column) => (left.includes(column) ? padEnd(cell, widths[column]) : padStart(cell, widths[column])))
      .join("  "),
  );
  const [first, ...rest] = text.map((line) => line.trimEnd());
  return `${[first, "─".repeat(widths.reduce((sum, width) => sum + width + 2, -2)), ...rest].join("\n")}\n`;
}
