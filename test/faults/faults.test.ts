/** The cases of `npm run test:faults`, once or twice each. */
import { describe, expect, test } from "vitest";
import { testFolder } from "../run-cli.ts";
import { faults } from "./faults.ts";
import { Lab } from "./lab.ts";
import { randomTrials } from "./random-trials.ts";

describe("nothing is lost when", () => {
  const lab = new Lab(testFolder());
  for (const fault of faults.filter(({ quick }) => quick > 0)) {
    const reason = fault.skip ? ` (skipped: ${fault.skip})` : "";
    // Processes that share too few cores wait for each other.
    test.skipIf(fault.skip)(`${fault.name}: ${fault.what}${reason}`, { timeout: 180_000 }, async () => {
      expect.assertions(fault.quick);
      for (let number = 0; number < fault.quick; number++)
        await expect(fault.attempt(lab, number)).resolves.toBeUndefined();
    });
  }
});

describe("random cases differ in nothing", () => {
  const lab = new Lab(testFolder());
  for (const { name, what, quick, skip, trial } of randomTrials)
    test.skipIf(skip)(`${name}: ${what}${skip ? ` (skipped: ${skip})` : ""}`, async () => {
      for (let seed = 1; seed <= quick; seed++)
        expect(Math.max(...Object.values(await trial(lab, seed)))).toBeGreaterThan(0);
    });
});
