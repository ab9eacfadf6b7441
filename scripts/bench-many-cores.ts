/**
 * Training steps of GPT-2 124M by number of threads, for a machine with many cores: `llm-ts bench` at 1, 2, 4, 8 and 16
 * threads, with B=4 and B=16, beside PyTorch where it is installed. Ends after ten minutes; what was measured until then is
 * printed. In a clone (npm ci), or where the package was unpacked:
 *
 *     node --conditions=source scripts/bench-many-cores.ts [FOLDER FOR REPORTS] [PYTHON WITH TORCH]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BenchReport, isFigure } from "../src/bench/report.ts";
import { table } from "../src/plot/text.ts";

const [folder = "bench-many-cores", python = "python3"] = process.argv.slice(2);
const command = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const end = Date.now() + 9.5 * 60_000;

/** Runs the benchmark with its progress on the terminal; undefined when time is up, or it failed. */
async function measure(threads: number, B: number): Promise<BenchReport | undefined> {
  const path = join(folder, `threads-${threads}-b-${B}.json`);
  const options = ["--quick", "--model", "d12", "-b", String(B), "-t", "64", "--threads", String(threads)];
  const args = [command, "bench", ...options, "--against", `torch:${python}`, "--json", path];
  const timeout = end - Date.now();
  if (timeout <= 0) return undefined;
  const [code] = await once(spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"], timeout }), "exit");
  return code === 0 ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

mkdirSync(folder, { recursive: true });
const counts = [1, 2, 4, 8, 16].filter((threads) => threads <= availableParallelism());
const lines: string[][] = [];
let peer = "";
// The most threads first: where time runs out, the slowest measurements are missing.
for (const B of [4, 16])
  for (const threads of counts.toReversed()) {
    const report = await measure(threads, B);
    const step = report?.rows.find(({ kind }) => kind === "step");
    peer = report?.peers.map(({ missing, description }) => (missing ? "missing: " : "") + description).join() ?? peer;
    const torch = step?.peers.torch;
    lines.push([
      `B=${B} T=64, ${threads} threads`,
      ...(step && report
        ? [step.ours.ms.toFixed(0), Math.min(...step.ours.samples).toFixed(0), report.limits.at(-1)?.gflops.toFixed(0)]
        : ["not measured", "", ""]
      ).map(String),
      isFigure(torch) ? torch.ms.toFixed(0) : "missing",
    ]);
  }
process.stdout.write(`torch: ${peer}\n\n`);
process.stdout.write(`${table(["a training step", "ms", "best", "limit, GFLOP/s", "torch ms"], lines)}\n`);
