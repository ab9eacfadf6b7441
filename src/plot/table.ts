import { padEnd, padStart, textWidth } from "./text-width.ts";

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
