/**
 * The roofline plot of Williams, Waterman and Patterson (2009): how fast each operation runs against how many operations
 * it makes of each byte. The roof is what the machine allows: the slope its memory, the flat part its arithmetic.
 */
import { bandwidth } from "./limits.ts";
import type { BenchReport, Limits } from "./report.ts";

export interface Point {
  readonly name: string;
  /** Operations a byte. */
  readonly intensity: number;
  readonly gflops: number;
}

const width = 900;
const plot = { left: 70, top: 56, width: 460, height: 400 };
const height = plot.top + plot.height + 64;
const legendLeft = plot.left + plot.width + 36;

/** Decades on both axes. */
const from = { x: -1.3, y: -1 };
const to = { x: 2.7, y: 3 };

const x = (intensity: number) =>
  plot.left + ((clamp(Math.log10(intensity), from.x, to.x) - from.x) / (to.x - from.x)) * plot.width;
const y = (gflops: number) =>
  plot.top + plot.height - ((clamp(Math.log10(gflops), from.y, to.y) - from.y) / (to.y - from.y)) * plot.height;

/** From the profile if there is one, else from the products. */
export function pointsOf({ profiles, rows, threads }: BenchReport): Point[] {
  const [profile] = profiles;
  const measured = profile
    ? profile.rows.map(({ operation, ms, flops, bytes }) => ({ name: operation, ms, flops, bytes }))
    : rows
        .filter((row) => row.kind === "product" && row.threads === threads)
        .map(({ name, ours, flops, bytes }) => ({ name, ms: ours.ms, flops, bytes }));
  return measured
    .filter(({ ms, flops }) => ms > 0 && flops > 0)
    .map(({ name, ms, flops, bytes }) => ({ name, intensity: flops / bytes, gflops: flops / ms / 1e6 }));
}

export function rooflineSvg(report: BenchReport): string {
  const limits = report.limits[report.limits.length - 1];
  const points = pointsOf(report);
  const title = report.profiles[0] ? `operations of a training step, ${report.profiles[0].name}` : "matrix products";
  const threads = `${limits.threads} thread${limits.threads === 1 ? "" : "s"}`;
  const legendHeight = plot.top + 20 * points.length + 40;
  const whole = Math.max(height, legendHeight);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${whole}" font-family="system-ui, sans-serif" font-size="12">
<rect width="${width}" height="${whole}" fill="#fff"/>
<text x="${plot.left}" y="24" font-size="16" fill="#222">${escaped(title)}</text>
<text x="${plot.left}" y="42" fill="#666">${escaped(`${report.machine.processor}, ${threads}, Node ${report.node.slice(1)}`)}</text>
${grid()}
${roof(limits)}
${points.map(pointSvg).join("\n")}
</svg>
`;
}

function grid(): string {
  const lines: string[] = [];
  for (let decade = Math.ceil(from.x); decade <= to.x; decade++) {
    const at = x(10 ** decade).toFixed(1);
    lines.push(`<path d="M${at} ${plot.top}v${plot.height}" stroke="#e4e4e4"/>`);
    lines.push(
      `<text x="${at}" y="${plot.top + plot.height + 18}" text-anchor="middle" fill="#666">${10 ** decade}</text>`,
    );
  }
  for (let decade = from.y; decade <= to.y; decade++) {
    const at = y(10 ** decade).toFixed(1);
    lines.push(`<path d="M${plot.left} ${at}h${plot.width}" stroke="#e4e4e4"/>`);
    lines.push(`<text x="${plot.left - 8}" y="${Number(at) + 4}" text-anchor="end" fill="#666">${10 ** decade}</text>`);
  }
  const middle = plot.left + plot.width / 2;
  lines.push(
    `<text x="${middle}" y="${plot.top + plot.height + 40}" text-anchor="middle" fill="#222">operations a byte</text>`,
  );
  const up = plot.top + plot.height / 2;
  lines.push(`<text transform="translate(20 ${up}) rotate(-90)" text-anchor="middle" fill="#222">GFLOP/s</text>`);
  return lines.join("\n");
}

function roof(limits: Limits): string {
  const { gflops } = limits;
  const slope = bandwidth(limits);
  const ridge = gflops / slope;
  const left = 10 ** from.x;
  const line = `M${x(left).toFixed(1)} ${y(left * slope).toFixed(1)}L${x(ridge).toFixed(1)} ${y(gflops).toFixed(1)}H${plot.left + plot.width}`;
  return `<path d="${line}" fill="none" stroke="#c0392b" stroke-width="2"/>
<text x="${plot.left + plot.width - 6}" y="${(y(gflops) - 8).toFixed(1)}" text-anchor="end" fill="#c0392b">arithmetic: ${gflops.toFixed(0)} GFLOP/s</text>
<text x="${(x(left) + 10).toFixed(1)}" y="${(y(left * slope) - 24).toFixed(1)}" fill="#c0392b">memory: ${slope.toFixed(0)} GB/s</text>`;
}

/** A numbered dot, and its number's name in the list beside the plot. */
function pointSvg({ name, intensity, gflops }: Point, at: number): string {
  const [cx, cy] = [x(intensity).toFixed(1), y(gflops).toFixed(1)];
  const line = plot.top + 14 + 20 * at;
  return `<circle cx="${cx}" cy="${cy}" r="8" fill="#2471a3" fill-opacity="0.75"/>
<text x="${cx}" y="${Number(cy) + 3.5}" text-anchor="middle" font-size="9" fill="#fff">${at + 1}</text>
<text x="${legendLeft}" y="${line}" fill="#222"><tspan fill="#2471a3">${at + 1}</tspan>  ${escaped(name)}: ${gflops.toFixed(gflops < 10 ? 1 : 0)}</text>`;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
