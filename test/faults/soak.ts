/**
 * Trains `baby` for a long time with a checkpoint every few seconds, and checks for growth of memory and files:
 * `npm run soak` takes 30 minutes, `npm run soak -- 1` one. `--write` puts the result into docs/reliability.md.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { result, start } from "../run-cli.ts";
import { writeReport } from "./report.ts";

const minutes = Number(process.argv.slice(2).find((word) => !word.startsWith("-")) ?? 30);
const sampleMs = 1000;
/** V8 grows its heap at first and keeps it, so the heap in use says more than the size of the process. */
const warmUp = Math.min(120, minutes * 60 * 0.25);

interface Sample {
  /** Seconds since the start. */
  readonly at: number;
  readonly value: number;
}

/** The straight line that fits best: its slope in a minute with its standard error, and the mean. */
function lineThrough(samples: readonly Sample[]): { slope: number; error: number; mean: number } {
  const n = samples.length;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / n;
  const [x, y] = [samples.map(({ at }) => at / 60), samples.map(({ value }) => value)];
  const [mx, my] = [mean(x), mean(y)];
  const sxx = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
  const slope = x.reduce((sum, value, i) => sum + (value - mx) * (y[i] - my), 0) / sxx;
  const rest = y.reduce((sum, value, i) => sum + (value - my - slope * (x[i] - mx)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / Math.max(1, n - 2) / sxx), mean: my };
}

if (process.platform !== "linux") throw new Error("The soak reads /proc, which only Linux has.");
const folder = mkdtempSync(join(tmpdir(), "llm-ts-soak-"));
const out = join(folder, "run");
const sizes = ["-b", "4", "-t", "32", "-x", "1000000000", "-u", "100", "-v", "500", "-m", "5", "-s", "500", "-g", "32"];
const probe = join(folder, "heap");
const env = {
  NODE_OPTIONS: `--import=${new URL("heap-probe.mjs", import.meta.url).href}`,
  LLM_TS_HEAP_PROBE: probe,
};
const child = start(["train", "-e", "baby", ...sizes, "-n", "200", "-o", out, "--json"], { env });
const ended = result(child);
const began = performance.now();
const seconds = () => (performance.now() - began) / 1000;
const [memory, handles, stepMs]: Sample[][] = [[], [], []];
let checkpoints = 0;
let rest = "";
child.stdout.on("data", (piece) => {
  const lines = (rest + piece).split("\n");
  rest = lines.pop() ?? "";
  for (const { event, ms } of lines.map((line) => JSON.parse(line))) {
    if (event === "step" && seconds() > warmUp) stepMs.push({ at: seconds(), value: ms });
    if (event === "checkpoint") checkpoints++;
  }
});
const sampler = setInterval(() => {
  if (seconds() < warmUp) return;
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  memory.push({ at: seconds(), value: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024 });
  handles.push({ at: seconds(), value: readdirSync(`/proc/${child.pid}/fd`).length });
}, sampleMs);
setTimeout(() => {
  clearInterval(sampler);
  child.kill("SIGTERM");
}, minutes * 60_000);

const { code, stderr } = await ended;
clearInterval(sampler);
const heap = readFileSync(probe, "utf8")
  .trimEnd()
  .split("\n")
  .map((bytes, i) => ({ at: 5 * (i + 1), value: Number(bytes) / 2 ** 20 }))
  .filter(({ at }) => at > warmUp);
rmSync(folder, { recursive: true, force: true });
if (code !== 143) throw new Error(`the run ended with ${code}: ${stderr}`);

const measures: [what: string, unit: string, samples: Sample[]][] = [
  ["memory in use, garbage collected", "MB", heap],
  ["memory of the process (RSS)", "MB", memory],
  ["open handles", "", handles],
  ["a step", "ms", stepMs],
];
const rows = measures.map(([what, unit, samples]) => {
  const { slope, error, mean } = lineThrough(samples);
  const [first, last] = [samples[0], samples.at(-1)].map((sample) => sample?.value.toFixed(1));
  const change = `${slope.toPrecision(2)} ± ${error.toPrecision(2)} ${unit}`.trim();
  return `| ${what} | ${mean.toFixed(1)} ${unit} | ${first} | ${last} | ${change} |`;
});
const text = [
  `${minutes} minutes of \`baby\`, ${checkpoints} checkpoints, ${stepMs.length} steps after ${warmUp} s of warm-up:`,
  "",
  "| | mean | first | last | change in a minute |",
  "| --- | ---: | ---: | ---: | ---: |",
  ...rows,
].join("\n");
console.log(text);
if (process.argv.includes("--write")) writeReport("soak", text);
