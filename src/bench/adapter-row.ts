/** A line for the table of adapters in docs/webgpu.md. */
import { UsageError } from "../errors.ts";
import type { BenchReport, Row } from "./report.ts";

export const adapterColumns = [
  "adapter",
  "driver, system",
  "date",
  "FMA GFLOP/s",
  "copy GB/s",
  "dispatch µs",
  "submit µs",
  "best matmul",
  "d12 trains",
  "d12 writes",
  "baby trains",
] as const;

/**
 * Cells of `adapterColumns`: matmuls as a share of the multiply-adds, steps and generation in tokens a second; a dash for
 * what was not measured. UsageError for a report without a GPU.
 */
export function adapterRow(report: BenchReport): string {
  const { adapter, machine, date, limits, rows } = report;
  if (!adapter) throw new UsageError("Only a GPU has a row in the table of adapters: add --backend webgpu.");
  const [{ gflops, copy, dispatchUs, submitUs }] = limits;
  const matmuls = rows.filter(({ kind }) => kind === "product").map(({ flops, ours }) => flops / ours.ms / 1e6);
  const cells: readonly string[] = [
    adapter.name + (adapter.isSoftware ? ", software" : ""),
    [adapter.driver, machine.system, `Node ${report.node.slice(1)}`].filter(Boolean).join(", "),
    date.slice(0, 10),
    rounded(gflops),
    rounded(copy),
    rounded(dispatchUs),
    rounded(submitUs),
    matmuls.length > 0 ? `${Math.round((100 * Math.max(...matmuls)) / gflops)}%` : "–",
    fastest(rows, "step", "d12"),
    fastest(rows, "generation", "d12"),
    fastest(rows, "step", "baby"),
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** Most tokens a second of a model's rows, of steps those in fp32, and the batch where there is one. */
function fastest(rows: readonly Row[], kind: Row["kind"], model: string): string {
  const speeds = rows
    .filter((row) => row.kind === kind && row.name.startsWith(`${model} `) && row.precision !== "bf16")
    .map(({ name, tokens = 0, ours }) => ({ batch: /B=\d+ T=\d+/.exec(name)?.[0], speed: (1000 * tokens) / ours.ms }))
    .sort((a, b) => b.speed - a.speed);
  if (speeds.length === 0) return "–";
  const [{ batch, speed }] = speeds;
  return batch ? `${rounded(speed)} (${batch})` : rounded(speed);
}

/** Three significant digits, or all of the whole number. */
function rounded(value = Number.NaN): string {
  if (Number.isNaN(value)) return "–";
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
}
