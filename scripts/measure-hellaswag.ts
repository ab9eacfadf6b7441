// HellaSwag's endings with and without what they share, in turns within one process: milliseconds an example.
//
//   node --conditions=source scripts/measure-hellaswag.ts [--threads 2] [--rounds 5] [--batches 2] [--beside FOLDER]
//
// Random tokens in lengths like the validation split's: contexts of 68 tokens in the mean, endings of 26. "Alone" are endings
// whose contexts are as long, but differ from the first token on. --beside: another checkout of this repository, built, whose
// scorer takes its turn with the same examples. Needs kernels/ (npm run build), and a machine that does nothing else.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Call, costOf, recordOperations } from "../src/backend/work.ts";
import { configOf } from "../src/bench/steps.ts";
import type { Row } from "../src/eval/packing.ts";

const { values } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    batches: { type: "string", default: "2" },
    beside: { type: "string" },
  },
});
const config = configOf("d12");
const examples = 6 * Number(values.batches);

let state = 1;
const random = () => {
  state = (state * 1103515245 + 12345) % 2 ** 31;
  return state / 2 ** 31;
};
const ids = (length: number) => Array.from({ length }, () => Math.floor(random() * config.V));

/** A context and four endings: of a caption (a third of all) or of an article. */
function example(i: number): { context: number[]; endings: number[][] } {
  const [context, ending] = i % 3 === 0 ? [27, 13] : [88, 32];
  const vary = (length: number) => Math.round(length * (0.7 + 0.6 * random()));
  return { context: ids(vary(context)), endings: Array.from({ length: 4 }, () => ids(vary(ending))) };
}
const all = Array.from({ length: examples }, (_, i) => example(i));
const rowsOf = (context: (of: readonly number[], ending: number) => number[]): Row[] =>
  all.flatMap((one) =>
    one.endings.map((ending, e) => ({ tokens: [...context(one.context, e), ...ending], from: one.context.length })),
  );
const rows = rowsOf((context) => [...context]);
const differing = rowsOf(([first, ...rest], e) => [(first + e) % config.V, ...rest]);

/** A scorer of a checkout of this repository, on a backend and a model of its own, with the same weights in each. */
async function scorerOf(folder: string) {
  const { createBackend, GPT2 } = (await import(resolve(folder, "src/index.ts"))) as typeof import("../src/index.ts");
  const { Scorer } = (await import(resolve(folder, "src/eval/scorer.ts"))) as typeof import("../src/eval/scorer.ts");
  const backend = await createBackend("wasm", { threads: Number(values.threads), revectorize: true });
  const { parameters } = await GPT2.create(config, { backend });
  const calls: Call[] = [];
  const recorder = recordOperations(backend, (call) => calls.push(call));
  const scorer = new Scorer({ backend: recorder, parameters });
  /** Multiply-adds of the matmuls of a run. */
  const work = async (of: readonly Row[]) => {
    calls.length = 0;
    await scorer.score(of);
    return calls
      .filter(({ operation }) => /^matmul|^head/.test(operation))
      .reduce((sum, c) => sum + costOf(c).flops / 2, 0);
  };
  return { description: backend.description, scorer, work, dispose: () => backend.dispose() };
}

const own = await scorerOf(resolve(import.meta.dirname, ".."));
const other = values.beside ? await scorerOf(values.beside) : undefined;
const variants = [
  { name: "shared", of: own, rows },
  { name: "alone", of: own, rows: differing },
  ...(other ? [{ name: `shared, ${values.beside}`, of: other, rows }] : []),
];
console.log(`${own.description}, ${examples} examples, ${values.rounds} rounds`);

// The same bits as each ending scored by itself.
const together = await own.scorer.score(rows);
let different = 0;
for (const [i, row] of rows.entries()) {
  const [{ losses }] = await own.scorer.score([row]);
  for (let n = 0; n < losses.length; n++) different += Number(losses[n] !== together[i].losses[n]);
}
const losses = together.reduce((sum, score) => sum + score.losses.length, 0);
console.log(`${losses} losses, of which ${different} differ from those of an ending by itself`);

const times = variants.map((): number[] => []);
for (let round = 0; round <= Number(values.rounds); round++)
  for (let i = 0; i < variants.length; i++) {
    const at = (i + round) % variants.length;
    const start = performance.now();
    await variants[at].of.scorer.score(variants[at].rows);
    if (round > 0) times[at].push((performance.now() - start) / examples);
  }

const quantile = (samples: readonly number[], q: number) =>
  [...samples].sort((a, b) => a - b)[Math.round(q * (samples.length - 1))];
const works = [];
for (const { of, rows } of variants) works.push(await of.work(rows));
for (const [i, { name }] of variants.entries()) {
  const ratios = times[i].map((ms, round) => ms / times[0][round]);
  console.log(
    `${name}: ${quantile(times[i], 0.5).toFixed(0)} ms an example (best ${quantile(times[i], 0).toFixed(0)}), ` +
      `${(works[i] / examples / 1e9).toFixed(1)} billion multiply-adds in matmuls; shared is ${quantile(ratios, 0.5).toFixed(2)} ` +
      `times as fast (${quantile(ratios, 0.1).toFixed(2)} to ${quantile(ratios, 0.9).toFixed(2)}; bests ` +
      `${(quantile(times[i], 0) / quantile(times[0], 0)).toFixed(2)}), by multiply-adds ${(works[i] / works[0]).toFixed(2)}`,
  );
}
await own.dispose();
await other?.dispose();
