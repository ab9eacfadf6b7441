import { nice, tickStep, ticks } from "d3-array";

/** The part of a picture in which values are drawn, in pixels. */
export interface Area {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Readable on white and on black, and distinguishable for most colour-blind readers. */
export const colours = ["#3b7dd8", "#e8710a", "#2a9d5c", "#a05ce0", "#d6453d", "#14a3b8", "#e0559b", "#9c6b4e"];

/** Light, or dark where the reader's system is. */
const style = `<style>
.paper{fill:#fff}.ink{fill:#1f2328}.muted{fill:#656d76}.grid{stroke:#e7eaee}.axis{stroke:#8c959f}
.halo{stroke:#fff}
text{font-variant-numeric:tabular-nums}
@media(prefers-color-scheme:dark){
.paper{fill:#0d1117}.ink{fill:#e6edf3}.muted{fill:#9198a1}.grid{stroke:#21262d}.axis{stroke:#6e7681}
.halo{stroke:#0d1117}
}
</style>`;

/** A whole picture of `width` x `height` pixels; `texts` stand above its content. */
export function picture(width: number, height: number, title: string, subtitle: string, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13" role="img">
<title>${escaped(title)}</title>
${style}
<rect class="paper" width="${width}" height="${height}"/>
<text class="ink" x="24" y="34" font-size="18" font-weight="600">${escaped(title)}</text>
<text class="muted" x="24" y="56">${escaped(subtitle)}</text>
${content}
</svg>
`;
}

/** Grid lines with their numbers, and what the axes are. */
export function axes({ left, top, width, height }: Area, x: Scale, y: Scale, xTitle: string, yTitle: string): string {
  const bottom = top + height;
  const columns = x.ticks.map(
    (tick) => `<path class="grid" d="M${px(x.at(tick))} ${top}v${height}"/>
<text class="muted" x="${px(x.at(tick))}" y="${bottom + 20}" text-anchor="middle">${x.label(tick)}</text>`,
  );
  const rows = y.ticks.map(
    (tick) => `<path class="grid" d="M${left} ${px(y.at(tick))}h${width}"/>
<text class="muted" x="${left - 10}" y="${px(y.at(tick) + 4.5)}" text-anchor="end">${y.label(tick)}</text>`,
  );
  return [
    ...columns,
    ...rows,
    `<path class="axis" fill="none" d="M${left} ${bottom}h${width}"/>`,
    `<text class="ink" x="${left + width / 2}" y="${bottom + 44}" text-anchor="middle">${escaped(xTitle)}</text>`,
    `<text class="ink" transform="translate(${left - 58} ${top + height / 2}) rotate(-90)" text-anchor="middle">${escaped(yTitle)}</text>`,
  ].join("\n");
}

/** A coordinate, to a tenth of a pixel. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/** Mapping of values to positions on an axis. */
export interface Scale {
  /** The pixel of a value. */
  at(value: number): number;
  /** The values with a grid line, and how they are written. */
  readonly ticks: readonly number[];
  label(value: number): string;
}

/** Least and greatest. */
export type Range = readonly [number, number];

/** Equal steps, from round numbers to round numbers unless the ends are to be `exact`. */
export function linear(values: Range, [left, right]: Range, count: number, exact = false): Scale {
  const [low, high] = exact ? values : nice(...values, count);
  const decimals = Math.max(0, -Math.floor(Math.log10(Math.abs(tickStep(low, high, count)))));
  return {
    at: (value) => left + ((value - low) / (high - low || 1)) * (right - left),
    ticks: ticks(low, high, count),
    label: (value) =>
      value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
  };
}

/** Equal factors. Values that are not above 0 stand at the low end. */
export function logarithmic([low, high]: Range, [left, right]: Range, count: number): Scale {
  const width = Math.log10(high / low) || 1;
  const ticks = logTicks(low, high, count);
  const digits = distinguishingDigits(ticks);
  return {
    at: (value) => left + (Math.log10(Math.max(value, low) / low) / width) * (right - left),
    ticks,
    label: (value) => value.toLocaleString("en-US", { maximumSignificantDigits: digits }),
  };
}

/** Significant digits, at least 3, in which no two of `values` look the same. */
function distinguishingDigits(values: readonly number[]): number {
  let digits = 3;
  while (digits < 17 && new Set(values.map((value) => value.toPrecision(digits))).size < values.length) digits++;
  return digits;
}

/** Powers of ten, with their twos and fives where that is not too many; even steps where these are too few. */
export function logTicks(low: number, high: number, count: number): number[] {
  const decades = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, at) => 10 ** (Math.floor(Math.log10(low)) + at),
  );
  const choices = [[1, 2, 5], [1]].map((factors) =>
    decades.flatMap((decade) => factors.map((f) => f * decade)).filter((tick) => tick >= low && tick <= high),
  );
  const fitting = choices.find((ticks) => ticks.length <= 2 * count) ?? choices[1];
  return fitting.length < 3 ? ticks(low, high, count) : fitting;
}
