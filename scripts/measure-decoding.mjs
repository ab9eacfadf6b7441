/**
 * Where the time of writing a token of GPT-2 124M goes, for one or more builds of the program, in turns within one process:
 *
 *   node scripts/measure-decoding.mjs [--weights f32,bf16,int8] [--threads 2] [--rounds 7] [--tokens 24] [ROOT...]
 *
 * A ROOT is a clone that was built; without one, this clone. Milliseconds a token, median (best), of reading as many bytes as the
 * weights have, of the matmuls alone, of all operations without a wait in between, and of `generateTokens`; of the last also the
 * processor's time, all threads together, which other programs on the machine change little. Ratios are medians of the rounds'
 * ratios: > 1 is faster. Prints Markdown, for docs/LOG.md.
 */
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { values: options, positionals } = parseArgs({
  options: {
    weights: { type: "string", default: "f32,bf16,int8" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "7" },
    tokens: { type: "string", default: "24" },
  },
  allowPositionals: true,
});
const tokens = Number(options.tokens);
const types = options.weights.split(",");
const roots = positionals.length > 0 ? positionals : [fileURLToPath(new URL("..", import.meta.url))];
const measured = ["reading", "matmuls", "operations", "tokens"];

/** A model of each type of weights in one build, and functions that resolve to its milliseconds a token. */
async function subjectsOf(root) {
  const load = (path) => import(pathToFileURL(join(root, "dist", `${path}.js`)).href);
  const paths = ["index", "model/config", "model/gpt2", "model/workspace", "backend/backend"];
  const [{ GPT2, createBackend }, { presetConfig }, { decodeStep }, { allocDecodeWorkspace }, { elementBytes }] =
    await Promise.all(paths.map(load));
  const backend = await createBackend("wasm", { threads: Number(options.threads), revectorize: true });
  const config = presetConfig("d12", 50257);
  const workspace = allocDecodeWorkspace(backend, config);
  const read = (await backend.probes()).all.find(({ limit }) => limit === "read");
  const timed = async (run) => {
    const start = performance.now();
    for (let i = 0; i < tokens; i++) run(i);
    await backend.sync();
    return (performance.now() - start) / tokens;
  };
  const subjects = [];
  for (const weights of types) {
    const model = await GPT2.create(config, { backend, weights, seed: 1 });
    const matmuls = [];
    const recorder = Object.create(backend, { matmulForward: { value: (...args) => matmuls.push(args) } });
    decodeStep(recorder, model.parameters, workspace, 1);
    const bytes = matmuls.reduce((sum, [, , { weight }]) => sum + weight.size * elementBytes[weight.dtype], 0);
    const processor = [];
    const ms = Object.fromEntries(measured.map((name) => [name, []]));
    const measures = {
      reading: async () => ((await timed(() => read.run())) * bytes) / read.work,
      matmuls: () =>
        timed(() => {
          for (const args of matmuls) backend.matmulForward(...args);
        }),
      operations: () => timed((i) => decodeStep(backend, model.parameters, workspace, i + 1)),
      tokens: async () => {
        let start;
        for await (const _ of model.generateTokens([0], { maxTokens: tokens + 1, temperature: 0, pastEnd: true }))
          start ??= { time: performance.now(), used: process.cpuUsage() };
        const { user, system } = process.cpuUsage(start.used);
        processor.push((user + system) / 1000 / tokens);
        return (performance.now() - start.time) / tokens;
      },
    };
    subjects.push({ root, weights, measures, ms, processor });
  }
  return subjects;
}

function quantile(values, share) {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)];
}

function medianAndBest(values) {
  return `${quantile(values, 0.5).toFixed(2)} (${quantile(values, 0).toFixed(2)})`;
}

/** Times of one divided by times of another, round by round. */
function ratio(ones, others) {
  const ratios = ones.map((one, round) => one / others[round]);
  return quantile(ratios, 0.5).toFixed(2);
}

const subjects = [];
for (const root of roots) subjects.push(...(await subjectsOf(root)));
for (let round = 0; round <= Number(options.rounds); round++)
  for (const name of measured)
    for (const { measures, ms, processor } of subjects) {
      const value = await measures[name]();
      if (round > 0) ms[name].push(value);
      else processor.length = 0; // the first round warms up
    }

const columns = ["build", "weights", ...measured, "processor", "reading / tokens"];
columns.push("first build / this, tokens", "processor", "bf16 / this, tokens", "processor");
console.log(`| ${columns.join(" | ")} |\n| --- | --- |${" ---: |".repeat(columns.length - 2)}`);
for (const type of types)
  for (const [at, root] of roots.entries()) {
    const find = (type, root) => subjects.find((subject) => subject.weights === type && subject.root === root);
    const { ms, processor } = find(type, root);
    const others = [find(type, roots[0]), find("bf16", root)];
    const cells = [at + 1, type, ...measured.map((name) => medianAndBest(ms[name])), medianAndBest(processor)];
    cells.push(ratio(ms.reading, ms.tokens));
    for (const other of others) {
      cells.push(other ? ratio(other.ms.tokens, ms.tokens) : "");
      cells.push(other ? ratio(other.processor, processor) : "");
    }
    console.log(`| ${cells.join(" | ")} |`);
  }
process.exit(0); // without disposing
