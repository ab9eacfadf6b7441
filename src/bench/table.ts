/** A report as text tables. */
import { table } from "../plot/text.ts";
import { bandwidth } from "./limits.ts";
import { type BenchReport, type Figure, isFigure, type Peer, type Profile, type Row } from "./report.ts";

export function tablesOf(report: BenchReport): string {
  const { machine, limits, peers, rows, profiles } = report;
  const matmuls = rows.filter(({ kind }) => kind === "product");
  const models = rows.filter(({ kind }) => kind !== "product");
  const peersIn = (some: readonly Row[]) =>
    peers.filter(({ name, missing, kind }) =>
      some.some((row) => row.peers[name] !== undefined || (missing && row.kind === kind)),
    );
  const parts = [
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}`,
    `Node ${report.node.slice(1)}; ${report.kernels}; medians of ${report.repeats}; ${report.date.slice(0, 10)}`,
    ...adapterLines(report),
    ...peers.map(({ name, description, missing }) => `${name}: ${missing ? "missing: " : ""}${description}`),
    "",
    table(
      [
        "limits",
        ...["GFLOP/s", "copy GB/s", "triad GB/s", "read GB/s"],
        ...(report.adapter ? ["dispatch µs", "submit µs"] : []),
      ],
      limits.map(({ threads, gflops, copy, triad, read, dispatchUs = [], submitUs = [] }) => [
        placeOf(report, threads),
        ...[gflops, copy, triad, read, dispatchUs, submitUs].flat().map((value) => value.toFixed(1)),
      ]),
    ),
    ...matmulTables(report, matmuls, peersIn(matmuls)),
    modelTable(models, peersIn(models)),
    ...encodingTables(report),
    ...profiles.map((profile) => profileTable(profile, report)),
    ...problems(rows),
  ];
  return `${parts.join("\n")}\n`;
}

export function threadsOf(threads: number): string {
  return threads === 1 ? "1 thread" : `${threads} threads`;
}

/** Place of computation: "2 threads", "GPU". */
export function placeOf({ adapter }: Pick<BenchReport, "adapter">, threads: number): string {
  return adapter ? "GPU" : threadsOf(threads);
}

function adapterLines({ adapter }: BenchReport): string[] {
  if (!adapter) return [];
  const { name, driver, isSoftware, hasTimestamps } = adapter;
  const facts = [
    `GPU: ${name}`,
    driver && driver !== name ? `driver ${driver}` : "",
    isSoftware ? "software on the CPU: its figures say nothing about a GPU" : "",
    hasTimestamps ? "" : "no timestamp queries: profiles are by waiting for each operation",
  ];
  return [facts.filter(Boolean).join("; ")];
}

/** Cost of a step to the calling thread, and the pipelines and bind groups that its second step made. */
function encodingTables({ encodings = [] }: BenchReport): string[] {
  if (encodings.length === 0) return [];
  const headings = ["encoding of a step", "ms", "dispatches", "submits", "new pipelines", "new bind groups"];
  return [
    table(
      headings,
      encodings.map(({ name, ms, ...counts }) => [
        name,
        milliseconds(ms),
        ...[counts.dispatches, counts.submits, counts.pipelines, counts.bindGroups].map(String),
      ]),
    ),
  ];
}

/** GFLOP/s of the matmuls, a table per number of threads. */
function matmulTables(report: BenchReport, matmuls: readonly Row[], peers: readonly Peer[]): string[] {
  return [...new Set(matmuls.map(({ threads }) => threads))].map((threads) =>
    table(
      [
        `matmuls, GFLOP/s, ${placeOf(report, threads)}`,
        "llm.ts",
        "worst to best",
        "of floor",
        ...peers.flatMap(({ name }) => [name, "worst to best", "ratio", "of bests"]),
      ],
      matmuls
        .filter((row) => row.threads === threads)
        .map((row) => [
          row.name,
          ...figureCells(row.ours, gflops(row)),
          percent(row.floorMs / row.ours.ms),
          ...peers.flatMap((peer) => beside(row, peer, gflops(row))),
        ]),
    ),
  );
}

function modelTable(rows: readonly Row[], peers: readonly Peer[]): string {
  return table(
    [
      ...["models", "ms", "worst to best", "tokens/s", "floor ms", "of floor"],
      ...peers.flatMap(({ name }) => [`${name} ms`, "worst to best", "ratio", "of bests"]),
    ],
    rows.map((row) => [
      row.name,
      ...figureCells(row.ours, milliseconds),
      (((row.tokens ?? 0) * 1000) / row.ours.ms).toFixed(row.kind === "step" ? 0 : 1),
      milliseconds(row.floorMs),
      percent(row.floorMs / row.ours.ms),
      ...peers.flatMap((peer) => beside(row, peer, milliseconds)),
    ]),
  );
}

/** The median, and the slowest and the fastest round, as `show` shows milliseconds. */
function figureCells({ ms, samples }: Figure, show: (ms: number) => string): [median: string, range: string] {
  return [show(ms), `${show(Math.max(...samples))} to ${show(Math.min(...samples))}`];
}

/** A peer's figure, and the speed of llm.ts relative to it, in the median and at best. */
function beside(row: Row, { name, missing, kind }: Peer, show: (ms: number) => string): string[] {
  const figure = row.peers[name];
  if (figure === undefined) return [missing && row.kind === kind ? "missing" : "", "", "", ""];
  if (!isFigure(figure)) return ["failed", "", "", ""];
  const ratio = (theirs: number, ours: number) => `${(theirs / ours).toFixed(2)}x`;
  const bests = ratio(Math.min(...figure.samples), Math.min(...row.ours.samples));
  return [...figureCells(figure, show), ratio(figure.ms, row.ours.ms), bests];
}

function gflops({ flops }: Row): (ms: number) => string {
  return (ms) => (flops / ms / 1e6).toFixed(1);
}

function profileTable({ name, roundTripMs, ms, rows, threads }: Profile, { limits }: BenchReport): string {
  const timing =
    roundTripMs === undefined ? "by the GPU's timestamps" : `${(1000 * roundTripMs).toFixed(0)} µs a call subtracted`;
  const limit = limits.find((one) => one.threads === threads);
  const shareOfFloor = (row: { flops: number; bytes: number; ms: number }) =>
    limit ? percent(Math.max(row.flops / limit.gflops, row.bytes / bandwidth(limit)) / 1e6 / row.ms) : "";
  // No rate for a duration within the round trip.
  const ratesOf = (row: { flops: number; bytes: number; ms: number }) =>
    row.ms > 0
      ? [(row.flops / row.ms / 1e6).toFixed(1), (row.bytes / row.ms / 1e6).toFixed(1), shareOfFloor(row)]
      : ["", "", ""];
  return table(
    [`operations of ${name}`, "calls", "ms", "share", "GFLOP/s", "GB/s", "of floor"],
    [
      ...rows.map((row) => [row.operation, String(row.calls), row.ms.toFixed(2), percent(row.share), ...ratesOf(row)]),
      [`sum, ${timing}`, "", ms.toFixed(2), "", "", "", ""],
    ],
  );
}

function problems(rows: readonly Row[]): string[] {
  const found = rows.flatMap((row) =>
    Object.entries(row.peers).flatMap(([peer, figure]) =>
      isFigure(figure) ? [] : [`${peer} failed in "${row.name}": ${figure.problem}`],
    ),
  );
  return found.length > 0 ? [...found, ""] : [];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}

function milliseconds(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms.toFixed(ms >= 10 ? 1 : 2);
}
