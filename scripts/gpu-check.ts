/**
 * Everything worth knowing of a GPU, in less than ten minutes and one file: the suite of all operations, a training run beside
 * the CPU's, and the benchmark, beside PyTorch on the same GPU where `python3` has one.
 *
 *   npm run gpu-check [-- FILE]        (gpu-check.md)
 *
 * Each part is a process of its own with a limit of time: one that fails does not stop the others. Ends with 1 if one failed.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GPT2 } from "../src/api/gpt2.ts";
import { type Backend, type Precision, precisions } from "../src/backend/backend.ts";
import { ReferenceBackend } from "../src/backend/reference/reference.ts";
import { createBackend } from "../src/backend/registry.ts";
import { halfPrecision, suite } from "../src/backend/suite/cases.ts";
import { problemsOf, runCase } from "../src/backend/suite/run.ts";
import { findAdapter, openAdapter } from "../src/backend/webgpu/adapter.ts";
import { WebGpuBackend } from "../src/backend/webgpu/backend.ts";
import { configOf } from "../src/bench/steps.ts";
import { syntheticTokens } from "../src/model/synthetic-step.ts";
import { Trainer } from "../src/train/trainer.ts";

interface Part {
  readonly title: string;
  /** Arguments of Node. */
  readonly args: readonly string[];
  readonly seconds: number;
  /** A file that it writes, for the end of the report. */
  readonly report?: string;
}

interface Outcome {
  readonly output: string;
  readonly problem?: string;
  readonly seconds: number;
}

const script = fileURLToPath(import.meta.url);
const command = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const tilesScript = fileURLToPath(new URL("./measure-tiles.ts", import.meta.url));
const STEPS = 20;
/** Largest difference of a loss from the CPU's, in nats. */
const TOLERANCE: Readonly<Record<Precision, number>> = { fp32: 1e-4, bf16: 1e-2 };

/** Every operation in all shapes of the suite, compared with the reference backend. */
async function checkSuite(): Promise<void> {
  const [gpu, reference] = [new WebGpuBackend(await openAdapter()), new ReferenceBackend()];
  let failed = 0;
  const all = [...suite, ...halfPrecision];
  for (const one of all) {
    const problems = problemsOf(one, await runCase(gpu, one), await runCase(reference, one));
    for (const problem of problems) console.log(`${one.name}: ${problem}`);
    if (problems.length > 0) failed++;
  }
  await gpu.dispose();
  console.log(`${all.length - failed} of ${all.length} cases are right`);
  if (failed > 0) process.exitCode = 1;
}

/** The first losses of `baby` on the GPU in either precision and on the CPU, on one batch of tokens. */
async function compareTraining(): Promise<void> {
  const adapter = await findAdapter();
  // Software takes a second for a step of a few tokens.
  const [B, T] = typeof adapter !== "string" && adapter.info.isFallbackAdapter ? [1, 8] : [12, 64];
  const cpu = await lossesOn(await createBackend(), B, T);
  console.log(`CPU:       ${inWords(cpu)}`);
  for (const precision of precisions) {
    const gpu = await lossesOn(new WebGpuBackend(await openAdapter()), B, T, precision);
    const worst = Math.max(...gpu.map((loss, at) => Math.abs(loss - cpu[at])));
    console.log(`GPU, ${precision}: ${inWords(gpu)}\nlargest difference: ${worst.toExponential(1)}`);
    if (gpu.length !== STEPS || !(worst <= TOLERANCE[precision])) process.exitCode = 1;
  }
}

const inWords = (losses: readonly number[]) => losses.map((loss) => loss.toFixed(6)).join(" ");

async function lossesOn(backend: Backend, B: number, T: number, precision: Precision = "fp32"): Promise<number[]> {
  const model = await GPT2.create(configOf("baby"), { backend });
  const tokens = syntheticTokens(B * T + 1, model.config.V);
  const batch = { inputs: tokens.subarray(0, B * T), targets: tokens.subarray(1) };
  const losses: number[] = [];
  const loader = { B, T, next: async () => batch, reset() {} };
  for await (const event of new Trainer(model, { precision }).run(loader, {
    steps: STEPS,
    valEvery: 0,
    sampleEvery: 0,
  }))
    if (event.type === "step") losses.push(event.loss);
  await backend.dispose();
  return losses;
}

/** Runs Node with the sources, and gathers what it prints. */
function nodeRun(args: readonly string[], limit: number): Promise<Outcome> {
  const start = performance.now();
  const child = spawn(process.execPath, ["--conditions=source", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let late = false;
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, 1000 * limit);
  return new Promise((resolve) => {
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      const problem = late ? `stopped after ${limit} s` : code === 0 ? undefined : `ended with ${code ?? signal}`;
      resolve({ output, problem, seconds: (performance.now() - start) / 1000 });
    });
  });
}

const checks: readonly Part[] = [
  { title: "System", args: [command, "info", "--system"], seconds: 40 },
  { title: "Operations beside the reference", args: [script, "--suite"], seconds: 100 },
  { title: "Training beside the CPU", args: [script, "--training"], seconds: 50 },
];

/** Steps of GPT-2 124M in one precision: milliseconds and tokens a second of each. */
const steps = (precision: Precision): Part => ({
  title: `Steps of GPT-2 124M at B=8, T=1024 in ${precision}`,
  args: [
    ...[command, "train", "-e", "d12", "-b", "8", "-t", "1024", "-x", "8", "-v", "0", "-s", "0", "--json"],
    ...["--backend", "webgpu", "--precision", precision],
  ],
  seconds: 45,
});

const bench = [command, "bench", "--backend", "webgpu", "--quick", "--precision", "bf16", "--markdown-row"];

/** Less than ten minutes together. */
function partsIn(folder: string): Part[] {
  const [small, large] = [join(folder, "small.json"), join(folder, "large.json")];
  const d12 = ["--model", "d12", "-b", "8", "-t", "1024", "--against", "torch-gpu"];
  return [
    ...checks,
    { title: "Benchmark", args: [...bench, "--profile", "--json", small], seconds: 110, report: small },
    { title: "Matmuls of GPT-2 124M with every tile", args: [tilesScript], seconds: 70 },
    ...precisions.map(steps),
    {
      title: "GPT-2 124M at B=8, T=1024, beside PyTorch",
      args: [...bench, ...d12, "--json", large],
      seconds: 130,
      report: large,
    },
  ];
}

/** For an adapter that is software, where only this script itself is on trial: the benchmark is of the smallest sizes. */
function softwareParts(folder: string): Part[] {
  const report = join(folder, "small.json");
  const args = [...bench, "--repeats", "1", "--model", "baby", "-b", "1", "-t", "8", "--json", report];
  return [...checks, { title: "Benchmark", args, seconds: 150, report }];
}

async function checkAll(path: string): Promise<void> {
  const adapter = await findAdapter();
  if (typeof adapter === "string") {
    writeFileSync(path, `# GPU check\n\nThere is no GPU to check: ${adapter}.\n`);
    console.error(`error: There is no GPU to check: ${adapter}.`);
    process.exitCode = 1;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "llm-ts-gpu-"));
  const parts = adapter.info.isFallbackAdapter ? softwareParts(folder) : partsIn(folder);
  const sections: string[] = [];
  try {
    for (const { title, args, seconds, report } of parts) {
      console.error(`${title} (at most ${seconds} s)`);
      const { output, problem, seconds: took } = await nodeRun(args, seconds);
      if (problem !== undefined) process.exitCode = 1;
      console.error(`  ${problem ?? "done"}, ${took.toFixed(0)} s`);
      sections.push(`## ${title}: ${problem ?? "done"}\n\n${fenced(withoutProgress(output))}`);
      if (report !== undefined && existsSync(report))
        sections.push(`<details><summary>Report</summary>\n\n${fenced(readFileSync(report, "utf8"))}\n</details>\n`);
      writeFileSync(path, `# GPU check, ${new Date().toISOString()}\n\n${sections.join("\n")}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.error(`written: ${path}`);
}

/** Without the lines that say how far a benchmark is. */
function withoutProgress(output: string): string {
  return output
    .split("\n")
    .filter((line) => !/^ *\d+% {2}/.test(line))
    .join("\n");
}

function fenced(text: string): string {
  return `\`\`\`\n${text.trim()}\n\`\`\`\n`;
}

const [first = "gpu-check.md"] = process.argv.slice(2);
if (first === "--suite") await checkSuite();
else if (first === "--training") await compareTraining();
else await checkAll(first);
