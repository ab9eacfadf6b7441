/** `llm-ts bench --backend webgpu` as a program: its output, never its speed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { BenchReport } from "../src/bench/report.ts";
import { describeGpu, gpuEnvironment } from "./gpu.ts";
import { type Result, run, testFolder } from "./run-cli.ts";

const folder = testFolder();
const bench = ["bench", "--backend", "webgpu", "--quick", "--model", "baby", "--repeats", "1"];
const small = ["-b", "1", "-t", "8"];

// A software driver takes seconds to compile the kernels.
describeGpu("webgpu", { timeout: 240_000 }, () => {
  let done: Result;
  let report: BenchReport;
  beforeAll(async () => {
    const files = ["--json", "bench.json", "--svg", "roofline.svg"];
    done = await run([...bench, ...small, "--precision", "bf16", "--profile", "--markdown-row", ...files], {
      cwd: folder,
      env: gpuEnvironment,
    });
    expect(done.stderr).not.toContain("error:");
    report = JSON.parse(readFileSync(join(folder, "bench.json"), "utf8"));
  }, 240_000);

  test("measures the adapter's limits, and says which adapter", () => {
    expect(done.code).toBe(0);
    expect(report.adapter?.name).toBeTruthy();
    expect(report.kernels).toBe(`webgpu, ${report.adapter?.name}`);
    expect(report.limits).toHaveLength(1);
    const [{ gflops, copy, triad, read, dispatchUs, submitUs }] = report.limits;
    for (const value of [gflops, copy, triad, read, dispatchUs, submitUs]) expect(value).toBeGreaterThan(0);
    expect(done.stdout).toMatch(/^limits +GFLOP\/s .* dispatch µs +submit µs$/m);
    expect(done.stdout).toMatch(/^GPU( +[\d.]+){6}$/m);
    if (report.adapter?.isSoftware) expect(done.stdout).toMatch(/^GPU: .*software on the CPU/m);
  });

  test("measures the matmuls, a step and a token of the chosen size, beside their floors", () => {
    expect(report.rows.filter(({ kind }) => kind === "product").map(({ name }) => name)).toContain(
      "baby qkv TN 384x128x8",
    );
    expect(report.rows.filter(({ kind }) => kind !== "product").map(({ name }) => name)).toEqual([
      "baby training step, B=1 T=8",
      "baby training step, B=1 T=8, in bf16",
      "baby one token written",
      "baby one token written, weights in bfloat16",
    ]);
    for (const { ours, floorMs } of report.rows) for (const ms of [ours.ms, floorMs]) expect(ms).toBeGreaterThan(0);
    const [single, mixed] = report.rows.filter(({ kind }) => kind === "step");
    expect(mixed.flops).toBe(single.flops);
    expect(mixed.bytes).toBeLessThan(single.bytes);
    expect(done.stdout).not.toMatch(/NaN|undefined|Infinity/);
  });

  test("counts what a step costs the calling thread: its second makes no pipeline or bind group", () => {
    const { encodings = [] } = report;
    expect(encodings.map(({ name }) => name)).toEqual(["baby B=1 T=8", "baby B=1 T=8, in bf16"]);
    for (const encoding of encodings) {
      expect(encoding).toMatchObject({ pipelines: 0, bindGroups: 0 });
      expect(encoding.dispatches).toBeGreaterThan(100);
      expect(encoding.submits).toBeGreaterThan(0);
      expect(encoding.ms).toBeGreaterThan(0);
    }
  });

  test("times every operation of a step, by timestamps where there are any", () => {
    expect(report.profiles.map(({ name }) => name)).toEqual(["baby B=1 T=8", "baby B=1 T=8, in bf16"]);
    const [{ rows, roundTripMs }] = report.profiles;
    const names = rows.map(({ operation }) => operation).join("\n");
    for (const part of ["attention backward", "gelu forward", "head, loss and gradients", "adamw"])
      expect(names).toContain(part);
    expect(rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(roundTripMs === undefined).toBe(report.adapter?.hasTimestamps);
    expect(done.stdout).toMatch(report.adapter?.hasTimestamps ? /^sum, by the GPU's timestamps/m : /a call subtracted/);
    const svg = readFileSync(join(folder, "roofline.svg"), "utf8");
    expect(svg).toContain(report.adapter?.name);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  test("prints a row for the table of adapters, as many cells as docs/webgpu.md has", () => {
    const row = done.stdout.trimEnd().split("\n").at(-1) ?? "";
    const [head] = /^\| adapter .*$/m.exec(readFileSync("docs/webgpu.md", "utf8")) ?? [""];
    expect(row).toContain(report.adapter?.name);
    expect(row.split("|")).toHaveLength(head.split("|").length);
  });

  test("a software adapter is refused unless asked for", async () => {
    const { code, stderr } = await run(bench, { cwd: folder, env: { ...gpuEnvironment, LLM_TS_FALLBACK_ADAPTER: "" } });
    if (!report.adapter?.isSoftware) return;
    expect(stderr).toMatch(/^error: The backend webgpu is not available here: .*software on the CPU/m);
    expect(code).toBe(1);
  });
});

test.each<[code: number, message: RegExp, ...args: string[]]>([
  [2, /The reference backend has no probes of its device's limits/, "--backend", "reference"],
  [2, /baby has a context of 64 tokens: choose -t 64 or less/, "--model", "baby", "-t", "65"],
  [2, /The wasm backend trains in fp32, not in bf16\. Leave --precision out/, "--precision", "bf16"],
  [2, /--markdown-row is for GPUs: add --backend webgpu/, "--markdown-row"],
])("exit code %i and %s", async (code, message, ...args) => {
  const found = await run(["bench", ...args], { cwd: folder });
  expect(found.stderr).toMatch(message);
  expect(found.code).toBe(code);
});
