/**
 * Does to runs all that can happen to them, as often as it takes to believe it: `npm run test:faults`. Takes some
 * minutes. `npm run test:faults -- --write` also puts the table into docs/reliability.md.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { faults } from "./faults.ts";
import { Lab } from "./lab.ts";
import { lossTable, printTable, type Tried, writeReport } from "./report.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-faults-"));
const lab = new Lab(folder);
const tried: Tried[] = [];
try {
  for (const fault of faults) {
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
  if (process.argv.includes("--write")) writeReport("faults", `${printTable(tried)}\n\n${losses}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = tried.every(({ lost }) => lost === 0) ? 0 : 1;
