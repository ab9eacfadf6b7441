// node .ci/summary.mjs FAILURES FILE…: adds up what Vitest's JSON reports say, and FAILURES more.
// A report that is missing, or whose run failed without a failed test, counts as one failure.
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";

const [, , other, ...files] = process.argv;
let passed = 0;
let failed = Number(other);
for (const file of files) {
  const name = basename(file, ".json");
  if (!existsSync(file)) {
    console.log(`${name}: did not run to its end`);
    failed += 1;
    continue;
  }
  const report = JSON.parse(readFileSync(file, "utf8"));
  const { numPassedTests, numFailedTests, numPendingTests, success } = report;
  console.log(`${name}: ${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
  passed += numPassedTests;
  failed += success ? numFailedTests : Math.max(1, numFailedTests);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
