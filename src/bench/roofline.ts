/**
 * Roofline plot (Williams, Waterman and Patterson, 2009): GFLOP/s of each operation over its arithmetic intensity, the
 * floating-point operations per byte. The roof is the machine's limit: the slope its memory, the flat part its arithmetic.
 */
import { axes, colours, escaped, logarithmic, picture, px } from "../plot/axes.ts";
import { bandwidth } from "./limits.ts";
import type { BenchReport, Limits } from "./report.ts";
import { placeOf } from "./table.ts";

export interface Point {
  readonly name: string;
  /** Floating-point operations per byte. */
  readonly intensity: number;
  readonly gflops: number;
}

const width = 960;
const area = { left: 92, top: 80, width: 480, height: 400 };
/** x of the legend. */
const legendLeft = area.left + area.width + 36;

/** Bounds of both axes, of a processor's speeds or a GPU's; points beyond are drawn on the edge. */
const intensities = [0.05, 500] as const;
const slower = [0.1, 1000] as const;
const faster = [1, 100_000] as const;
const xScale = logarithmic(intensities, [area.left, area.left + area.width], 3);
const x = (intensity: number) => xScale.at(Math.min(intensity, intensities[1]));
type Y = (gflops: number) => number;

/** Points of the profile if there is one, else of the matmuls. */
function pointsOf({ profiles, rows, threads }: BenchReport): Point[] {
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
  const title = report.profiles[0] ? `operations of a training step, ${report.profiles[0].name}` : "matmuls";
  const height = Math.max(area.top + area.height + 64, area.top + 20 * points.length + 40);
  const subtitle = `${report.adapter?.name ?? report.machine.processor}, ${placeOf(report, limits.threads)}, Node ${report.node.slice(1)}`;
  const speeds = limits.gflops > slower[1] ? faster : slower;
  const yScale = logarithmic(speeds, [area.top + area.height, area.top], 3);
  const y: Y = (gflops) => yScale.at(Math.min(gflops, speeds[1]));
  const content = [
    axes(area, xScale, yScale, "operations per byte", "GFLOP/s"),
    roof(limits, y),
    ...points.map((point, at) => pointSvg(point, at, y)),
  ];
  return picture(width, height, title, subtitle, content.join("\n"));
}

function roof(limits: Limits, y: Y): string {
  const { gflops } = limits;
  const slope = bandwidth(limits);
  const [left] = intensities;
  const line = `M${px(x(left))} ${px(y(left * slope))}L${px(x(gflops / slope))} ${px(y(gflops))}H${area.left + area.width}`;
  return `<path d="${line}" fill="none" stroke="${roofColour}" stroke-width="2"/>
<text x="${area.left + area.width - 6}" y="${px(y(gflops) - 8)}" text-anchor="end" fill="${roofColour}">arithmetic: ${gflops.toFixed(0)} GFLOP/s</text>
<text x="${px(x(left) + 10)}" y="${px(y(left * slope) - 112)}" fill="${roofColour}">memory: ${slope.toFixed(0)} GB/s</text>`;
}

const [pointColour, , , , roofColour] = colours;

/** A numbered dot, and its line in the legend. */
function pointSvg({ name, intensity, gflops }: Point, at: number, y: Y): string {
  const [cx, cy] = [x(intensity), y(gflops)];
  const line = area.top + 14 + 20 * at;
  return `<circle cx="${px(cx)}" cy="${px(cy)}" r="8" fill="${pointColour}" fill-opacity="0.75"/>
<text x="${px(cx)}" y="${px(cy + 3.5)}" text-anchor="middle" font-size="9" fill="#fff">${at + 1}</text>
<text class="ink" x="${legendLeft}" y="${line}"><tspan fill="${pointColour}">${at + 1}</tspan>  ${escaped(name)}: ${gflops.toFixed(gflops < 10 ? 1 : 0)}</text>`;
}
