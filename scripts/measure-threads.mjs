// Training steps on several numbers of threads, on uneven cores and beside a busy one, in turns within one process.
//
//   node scripts/measure-threads.mjs [--model baby|d12|layers] [--rounds 10] [--before FOLDER] [2 3 4 2:slow 2:busy before:2 …]
//
// A row is THREADS, then `:slow` (the last worker needs twice as long for every kernel) or `:busy` (beside a process that
// keeps one core), and begins with `before:` for the build in --before. Ratios are to the first row, round by round.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { isMainThread, Worker, workerData } from "node:worker_threads";

/** Configuration, B, T and steps timed together; `layers` is d12 with two layers and without its head. */
const models = {
  baby: [{ maxT: 64, V: 65, L: 4, NH: 4, C: 128 }, 12, 64, 10],
  d12: [{ maxT: 1024, V: 50257, L: 12, NH: 12, C: 768 }, 4, 64, 1],
  layers: [{ maxT: 1024, V: 512, L: 2, NH: 12, C: 768 }, 4, 64, 3],
};
const SLOWDOWN = 2;

if (isMainThread) await main();
else await runSlowWorker();

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      model: { type: "string", default: "baby" },
      rounds: { type: "string", default: "10" },
      before: { type: "string", default: "." },
      kernel: { type: "string", default: "auto" },
    },
  });
  const specs = positionals.length > 0 ? positionals : ["2", "3", "4", "2:slow", "2:busy"];
  const rows = [];
  for (const spec of specs) {
    const root = spec.startsWith("before:") ? pathToFileURL(`${values.before}/`) : new URL("../", import.meta.url);
    const [threads, condition] = spec.replace("before:", "").split(":");
    rows.push({ spec, condition, ...(await prepare(root, values, Number(threads), condition)), ms: [] });
  }
  for (const row of rows) await measure(row); // memory is touched, code optimised
  for (const row of rows) row.ms = [];
  for (let round = 0; round < Number(values.rounds); round++) for (const row of rows) await measure(row);
  for (const { spec, ms } of rows) {
    const ratios = ms.map((value, i) => value / rows[0].ms[i]);
    const quartiles = `(${quantile(ratios, 0.25).toFixed(2)} to ${quantile(ratios, 0.75).toFixed(2)})`;
    const times = `median ${quantile(ms, 0.5).toFixed(2)} ms, best ${quantile(ms, 0).toFixed(2)} ms`;
    console.log(`${spec.padEnd(16)} ${times}, ratio ${quantile(ratios, 0.5).toFixed(3)} ${quartiles}`);
  }
  process.exit(0); // without disposing
}

async function prepare(root, { model: name, kernel }, threads, condition) {
  const load = (path) => import(new URL(`dist/${path}.js`, root).href);
  const [{ GPT2, createBackend }, { makeConfig }, { syntheticStep }, { platform }] = await Promise.all(
    ["index", "model/config", "model/synthetic-step", "platform/node"].map(load),
  );
  const { startKernelWorker } = platform;
  let started = 0;
  if (condition === "slow")
    platform.startKernelWorker = () => {
      started++;
      return started < threads ? startKernelWorker() : startSlowWorker(root);
    };
  const backend = await createBackend("wasm", { threads, revectorize: true, kernel });
  platform.startKernelWorker = startKernelWorker;
  const [config, B, T, steps] = models[name];
  const model = await GPT2.create(makeConfig(config), { backend, seed: 1 });
  return { backend, step: await syntheticStep(model, B, T), steps };
}

async function measure({ backend, step, steps, ms, condition }) {
  const other = condition === "busy" ? spawn(process.execPath, ["-e", "for (;;);"]) : null;
  if (other) await new Promise((resolve) => setTimeout(resolve, 100));
  const start = performance.now();
  for (let i = 0; i < steps; i++) {
    step.run();
    await backend.read(step.stats);
    await backend.sync();
  }
  ms.push((performance.now() - start) / steps);
  if (!other) return;
  other.kill("SIGKILL");
  await once(other, "exit");
}

function quantile(values, share) {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)];
}

/** As platform/node-workers.ts starts a worker. */
function startSlowWorker(root) {
  const entry = new URL("dist/platform/node-worker-entry.js", root).href;
  const worker = new Worker(new URL(import.meta.url), { execArgv: [], workerData: { entry } });
  return {
    postMessage: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.on("message", listener),
    onError: (listener) => worker.on("error", listener),
    keepAlive: (on) => (on ? worker.ref() : worker.unref()),
    terminate: () => worker.terminate(),
  };
}

async function runSlowWorker() {
  const { Instance } = WebAssembly;
  WebAssembly.Instance = class {
    constructor(...args) {
      const named = Object.entries(new Instance(...args).exports);
      this.exports = Object.fromEntries(named.map(([name, value]) => [name, value.call ? slowed(value) : value]));
    }
  };
  await import(workerData.entry);
}

function slowed(kernel) {
  return (...args) => {
    const start = performance.now();
    const result = kernel(...args);
    const end = performance.now() + (SLOWDOWN - 1) * (performance.now() - start);
    while (performance.now() < end);
    return result;
  };
}
