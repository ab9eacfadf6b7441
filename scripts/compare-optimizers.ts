/**
 * AdamW and Muon at the same time of training, at several learning rates.
 *
 *   node --conditions=source scripts/compare-optimizers.ts baby|d6 UPDATES [RATE,RATE,…] [SEED,SEED,…]
 *
 * First the time of an update by each, in turns, on a machine that does nothing else. Then runs: AdamW's of UPDATES, Muon's of as
 * many as take the same time by these figures, so that other programs change no result. Prints the last validation loss of each.
 * `npm run build` comes first.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "d3-array";

const optimizers = ["adamw", "muon"] as const;
type Optimizer = (typeof optimizers)[number];

const models: Readonly<Record<string, string>> = {
  baby: "-e baby",
  d6: "-e d6 -b 8 -t 256 --order random -k cosine -q 0.1 -c 0.1 -u 20",
};
const always = "--grad-clip 1 --beta2 0.99 -s 0 -v 100000 -m 20 --final-val-batches 100";

const [model, updates = "1000", rates = "1e-3,2e-3,4e-3,8e-3", seeds = "42"] = process.argv.slice(2);
if (!models[model]) throw new Error(`${model}: choose ${Object.keys(models).join(" or ")}`);
const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

/** Last validation loss, and the median time of an update in ms. */
function train(optimizer: Optimizer, rate: string, seed: string, steps: number): { loss: number; ms: number } {
  const folder = mkdtempSync(join(tmpdir(), "llm-ts-optimizers-"));
  try {
    const options = `${models[model]} ${always} --optimizer ${optimizer} -l ${rate} --seed ${seed} -x ${steps}`;
    const args = ["train", ...options.split(" "), "-o", join(folder, "run"), "--json"];
    execFileSync(process.execPath, [main, ...args], { stdio: "ignore" });
    const lines = readFileSync(join(folder, "run", "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n");
    const events: Readonly<Record<string, unknown>>[] = lines.map((line) => JSON.parse(line));
    const times = events.filter(({ event }) => event === "step").map(({ ms }) => Number(ms));
    const { valLoss } = events.findLast(({ event }) => event === "done") ?? {};
    return { loss: Number(valLoss), ms: median(times) ?? Number.NaN };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const times: Record<Optimizer, number[]> = { adamw: [], muon: [] };
for (let round = 0; round < 3; round++)
  for (const optimizer of optimizers) times[optimizer].push(train(optimizer, "1e-3", "42", 60).ms);
const [adamw, muon] = optimizers.map((optimizer) => median(times[optimizer]) ?? Number.NaN);
const stepsOf = { adamw: Number(updates), muon: Math.round((Number(updates) * adamw) / muon) };
console.log(`${model}: an update takes ${adamw.toFixed(1)} ms by AdamW, ${muon.toFixed(1)} by Muon\n`);

console.log("| learning rate | seed | AdamW | Muon |\n| --- | --- | --- | --- |");
for (const seed of seeds.split(","))
  for (const rate of rates.split(",")) {
    const losses = optimizers.map((optimizer) => train(optimizer, rate, seed, stepsOf[optimizer]).loss.toFixed(4));
    console.log(`| ${rate} | ${seed} | ${losses.join(" | ")} |`);
  }
console.log(`\nUpdates: ${stepsOf.adamw} by AdamW, ${stepsOf.muon} by Muon.`);
