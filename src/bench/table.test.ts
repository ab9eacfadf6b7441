import { expect, test } from "vitest";
import type { BenchReport, Figure } from "./report.ts";
import { tablesOf } from "./table.ts";

const figure = (...samples: number[]): Figure => ({ ms: samples[Math.floor(samples.length / 2)], samples });

const report: BenchReport = {
  ...{ format: "llm-ts bench", version: 1, date: "2026-11-29T12:00:00Z", node: "v24.0.0", v8: "13", kernels: "wasm" },
  ...{ threads: 2, repeats: 3, limits: [], profiles: [] },
  machine: { processor: "CPU", cores: 2, memoryGiB: 8, system: "Linux x64" },
  peers: [
    { name: "openblas", kind: "product", description: "not found", missing: true },
    { name: "torch", kind: "step", description: "PyTorch 9.9", missing: false },
    { name: "llmc", kind: "step", description: "not built", missing: true },
  ],
  rows: [
    {
      ...{ kind: "product", name: "qkv", threads: 2, flops: 4e9, bytes: 1, floorMs: 20 },
      ours: figure(20, 40, 80),
      peers: {},
    },
    {
      ...{ kind: "step", name: "a step", threads: 2, flops: 1, bytes: 1, floorMs: 5, tokens: 10 },
      ours: figure(10, 20, 25),
      peers: { torch: figure(40, 50, 60) },
    },
    {
      ...{ kind: "generation", name: "a token", threads: 2, flops: 1, bytes: 1, floorMs: 5, tokens: 1 },
      ours: figure(10, 10, 10),
      peers: {},
    },
  ],
};

const cellsOf = (line: string) => {
  const found = tablesOf(report).match(new RegExp(`^${line} .*$`, "m"))?.[0] ?? "";
  return found.trim().split(/ {2,}/);
};

test("medians stand beside the slowest and the fastest round, and peers beside us in both", () => {
  expect(cellsOf("qkv")).toEqual(["qkv", "100.0", "50.0 to 200.0", "50%", "missing"]);
  expect(cellsOf("a step")).toEqual([
    ...["a step", "20.0", "25.0 to 10.0", "500", "5.00", "25%"],
    ...["50.0", "60.0 to 40.0", "2.50x", "4.00x", "missing"],
  ]);
});

test("a missing peer has its columns where it would be measured, and nowhere else", () => {
  expect(cellsOf("models").filter((cell) => cell.endsWith(" ms"))).toEqual(["floor ms", "torch ms", "llmc ms"]);
  expect(cellsOf("a token")).not.toContain("missing");
  expect(tablesOf(report)).toMatch(/^matmuls, GFLOP\/s, 2 threads .*openblas/m);
  expect(tablesOf(report)).toMatch(/^llmc: missing: not built$/m);
});
