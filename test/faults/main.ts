/**
 * Fault injection into runs, repeated many times, then random cases: `npm run test:faults`, some minutes. `-- --minutes 60`
 * runs the random cases alone, an hour of each kind in sequence; `-- --minutes 60 --only kernels` a single kind (runs, api or
 * kernels), so that several can run in parallel. `--faults MPI` injects the faults alone whose name has that in it. `--seed N`
 * starts with that seed instead of one from the time. `--write` also writes the results into docs/reliability.md, beside those of other faults.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { faults } from "./faults.ts";
import { Lab } from "./lab.ts";
import { randomTrials, type Tally, tryFor } from "./random-trials.ts";
import { lossTable, printTable, printTallies, type Tried, writeFaults, writeTallies } from "./report.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    faults: { type: "string" },
    only: { type: "string" },
    seed: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const trials = randomTrials.filter(({ kind }) => kind === (values.only ?? kind));
if (trials.length === 0)
  throw new Error(`--only ${values.only}: choose ${randomTrials.map(({ kind }) => kind).join(", ")}`);
const { faults: wanted = "" } = values;
const chosen = faults.filter(({ name }) => name.includes(wanted));
if (chosen.length === 0)
  throw new Error(`--faults ${wanted}: choose part of ${faults.map(({ name }) => name).join(", ")}`);
const folder = mkdtempSync(join(tmpdir(), "llm-ts-faults-"));
const lab = new Lab(folder);
let okay = true;
try {
  if (values.minutes === undefined && values.only === undefined) await tryFaults();
  if (!wanted) await tryRandomCases(Number(values.minutes ?? 2), Number(values.seed ?? Math.floor(Date.now() / 1000)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = okay ? 0 : 1;

async function tryFaults(): Promise<void> {
  const tried: Tried[] = [];
  for (const fault of chosen) {
    const { name, what, full, skip } = fault;
    const began = performance.now();
    let lost = 0;
    for (let number = 0; number < full && !skip; number++) {
      try {
        await fault.attempt(lab, number);
      } catch (error) {
        lost++;
        console.error(`${name}, attempt ${number + 1}: ${error instanceof Error ? error.message : error}`);
      }
    }
    tried.push({ name, what, times: skip ? 0 : full, lost, skip: skip || undefined });
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    console.log(skip ? `${name}: skipped, ${skip}` : `${name}: ${full} times, ${lost} losses (${seconds} s)`);
  }
  const losses = await lossTable(lab);
  console.log(`\n${printTable(tried)}\n\n${losses}`);
  if (values.write)
    writeFaults(
      faults.map(({ name }) => name),
      tried,
      losses,
    );
  okay &&= tried.every(({ lost }) => lost === 0);
}

async function tryRandomCases(minutes: number, seed: number): Promise<void> {
  console.log(`random cases from seed ${seed} on, each kind for ${minutes} minutes`);
  const tallies: Tally[] = [];
  for (const trial of trials) {
    if (trial.skip) console.log(`${trial.name}: skipped, ${trial.skip}`);
    else tallies.push(await tryFor(trial, lab, minutes, seed, (problem) => console.error(problem)));
  }
  console.log(printTallies(tallies));
  if (values.write) writeTallies(tallies);
  okay &&= tallies.every(({ differences }) => differences === 0);
}
