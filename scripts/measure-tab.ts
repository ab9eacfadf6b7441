/**
 * Measures training in the studio's tab beside the command with the same kernel and threads, in turns, and the page's
 * first paint and size. After `npm run build`: `npm run bench:studio -- [ROUNDS] [KERNEL] [THREADS]`.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { median } from "d3-array";
import { table } from "../src/plot/text.ts";
import { startStudio } from "../src/serve/server.ts";
import { launchWithDisk, root } from "../test/browser/page.ts";
import { presetSettings } from "../web/store/presets.ts";

const [rounds = "5", kernel = "relaxed-6x8", threads = "2"] = process.argv.slice(2);

/** Updates before the watch is started, and while it runs. */
const warmUp = 100;
const counted = 600;

/** Updates a second of `llm-ts train --model baby`, which validates and writes samples as often as the page has it do. */
async function inNode(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "llm-ts-speed-"));
  const { steps, valEvery, valBatches, sampleEvery, sampleTokens } = presetSettings("baby");
  const options = {
    "--model": "baby",
    "--kernel": kernel,
    "--threads": threads,
    "--steps": steps,
    "--val-every": valEvery,
    "--val-batches": valBatches,
    "--sample-every": sampleEvery,
    "--sample-tokens": sampleTokens,
    "--out": join(folder, "run"),
  };
  const args = ["train", "--json", ...Object.entries(options).flatMap(([name, value]) => [name, String(value)])];
  const command = spawn(process.execPath, [join(root, "dist/cli/main.js"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  command.stderr.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  const ended = new Promise((resolve) => command.on("close", resolve));
  let begin = Number.NaN;
  let end = Number.NaN;
  for await (const line of createInterface(command.stdout)) {
    const { event, step } = JSON.parse(line);
    if (event !== "step") continue;
    if (step === warmUp) begin = performance.now();
    if (step < warmUp + counted) continue;
    end = performance.now();
    break;
  }
  command.kill("SIGTERM");
  await ended;
  rmSync(folder, { recursive: true, force: true });
  if (Number.isNaN(end)) throw new Error(`The command ended before it had made all updates: ${said}`);
  return (1000 * counted) / (end - begin);
}

interface TabFigures {
  readonly stepsPerSecond: number;
  /** Milliseconds from the request to the first contentful paint. */
  readonly firstPaint: number;
}

/** The same in a tab: the page's own button is pressed, its progress bar read. */
async function inTab(url: string): Promise<TabFigures> {
  const profile = mkdtempSync(join(tmpdir(), "llm-ts-profile-"));
  const context = await launchWithDisk(profile);
  const page = await context.newPage();
  // A browser that has just been started is busy with itself for a while.
  await page.waitForTimeout(2000);
  await page.goto(`${url}?kernel=${kernel}&threads=${threads}`);
  const start = page.getByRole("button", { name: "Start training" });
  await start.waitFor();
  const firstPaint = await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) => {
          for (const { startTime } of list.getEntriesByName("first-contentful-paint")) resolve(startTime);
        }).observe({ type: "paint", buffered: true });
      }),
  );
  await start.click();
  const bar = page.locator(".progress progress");
  await bar.waitFor({ timeout: 60_000 });
  const stepsPerSecond = await bar.evaluate(
    async (element, { warmUp, counted }) => {
      const reached = (step: number) =>
        new Promise<{ step: number; time: number }>((resolve) => {
          const timer = setInterval(() => {
            const value = element instanceof HTMLProgressElement ? element.value : 0;
            if (value < step) return;
            clearInterval(timer);
            resolve({ step: value, time: performance.now() });
          }, 50);
        });
      const begin = await reached(warmUp);
      const end = await reached(begin.step + counted);
      return (1000 * (end.step - begin.step)) / (end.time - begin.time);
    },
    { warmUp, counted },
  );
  await context.close();
  rmSync(profile, { recursive: true });
  return { stepsPerSecond, firstPaint };
}

/** Bytes, compressed, of the page's scripts and styles, and of GPT-2's table, which is loaded when it is chosen. */
function sizes(): { own: number; table: number } {
  const folder = fileURLToPath(new URL("../dist/web/assets", import.meta.url));
  const files = readdirSync(folder).filter((name) => /\.(js|css)$/.test(name));
  const size = (name: string) => gzipSync(readFileSync(join(folder, name))).length;
  const sum = (names: readonly string[]) => names.reduce((total, name) => total + size(name), 0);
  const isTable = (name: string) => name.startsWith("r50k_base");
  return { own: sum(files.filter((name) => !isTable(name))), table: sum(files.filter(isTable)) };
}

const folder = mkdtempSync(join(tmpdir(), "llm-ts-studio-speed-"));
const studio = await startStudio({ folder, ports: [0] });
const node: number[] = [];
const tab: TabFigures[] = [];
try {
  for (let round = 0; round < Number(rounds); round++) {
    node.push(await inNode());
    tab.push(await inTab(studio.url));
  }
} finally {
  await studio.close();
  rmSync(folder, { recursive: true });
}

const one = (value = 0) => value.toFixed(1);
const { own, table: ranks } = sizes();
console.log(`${cpus()[0].model}, Node ${process.version}; ${kernel}, ${threads} threads\n`);
console.log(
  table(
    ["round", "Node, updates/s", "tab, updates/s", "ratio", "first paint, ms"],
    tab.map(({ stepsPerSecond, firstPaint }, i) => [
      String(i + 1),
      one(node[i]),
      one(stepsPerSecond),
      (stepsPerSecond / node[i]).toFixed(2),
      firstPaint.toFixed(0),
    ]),
  ),
);
const ratio = median(tab, ({ stepsPerSecond }, i) => stepsPerSecond / node[i]) ?? Number.NaN;
console.log(`\nmedian of the ratios: ${ratio.toFixed(3)}`);
console.log(`scripts and styles, compressed: ${one(own / 1000)} kB, and GPT-2's table ${one(ranks / 1000)} kB`);
