import { expect, test } from "vitest";
import { adapterColumns, adapterRow } from "./adapter-row.ts";
import type { BenchReport, Row } from "./report.ts";

const row = (kind: Row["kind"], name: string, ms: number, facts: Partial<Row>): Row => ({
  ...{ kind, name, threads: 1, flops: 0, bytes: 0, floorMs: 1, peers: {} },
  ...{ ours: { ms, samples: [ms] }, ...facts },
});

const report: BenchReport = {
  format: "llm-ts bench",
  version: 1,
  date: "2026-11-29T10:00:00.000Z",
  node: "v24.1.0",
  v8: "13",
  kernels: "webgpu, a GPU",
  adapter: { name: "A | B", driver: "1.2", isSoftware: false, hasTimestamps: true },
  threads: 1,
  repeats: 5,
  machine: { processor: "", cores: 1, memoryGiB: 1, system: "Linux x64" },
  limits: [{ threads: 1, gflops: 20_000, copy: 412.3, triad: 500, read: 600, dispatchUs: 1.2345, submitUs: 31.41 }],
  peers: [],
  rows: [
    row("product", "d12 qkv NT", 1, { flops: 12e9 }),
    row("product", "d12 head NT", 2, { flops: 30e9 }),
    row("step", "d12 training step, B=4 T=64", 20, { tokens: 256 }),
    row("step", "d12 training step, B=1 T=1024", 40, { tokens: 1024 }),
    row("step", "d12 training step, B=1 T=1024, in bf16", 20, { tokens: 1024, precision: "bf16" }),
    row("generation", "d12 one token written", 4, { tokens: 1 }),
  ],
  profiles: [],
};

test("a row has a cell for each column: the fastest of each kind, a dash for what was not measured", () => {
  expect(adapterRow(report).split(/(?<!\\)\|/)).toHaveLength(adapterColumns.length + 2);
  expect(adapterRow(report)).toBe(
    "| A \\| B | 1.2, Linux x64, Node 24.1.0 | 2026-11-29 | 20,000 | 412 | 1.23 | 31.4 | 75% | " +
      "25,600 (B=1 T=1024) | 250 | – |",
  );
});

test("software is marked, and a processor has no row", () => {
  const software = { ...report, adapter: { name: "S", driver: "", isSoftware: true, hasTimestamps: false } };
  expect(adapterRow(software)).toMatch(/^\| S, software \| Linux x64, Node 24.1.0 \|/);
  expect(() => adapterRow({ ...report, adapter: undefined })).toThrow("--backend webgpu");
});
