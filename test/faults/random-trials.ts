/** Random cases by seed: `npm run test:faults -- --minutes 60` tries each kind for so long, the ordinary tests a few. */
import type { Lab } from "./lab.ts";
import { randomApi } from "./random-api.ts";
import { randomKernels } from "./random-kernels.ts";
import { randomRuns } from "./random-runs.ts";

/** Actions and comparisons made, by name. */
export type Counts = Record<string, number>;

export interface RandomTrial {
  /** Name for `--only`. */
  readonly kind: "runs" | "api" | "kernels";
  readonly name: string;
  /** The two sides of the comparison, for a table. */
  readonly what: string;
  /** Number of seeds in the ordinary tests. */
  readonly quick: number;
  /** Reason for which it cannot be tried on this machine. */
  readonly skip?: string | false;
  /** Runs the case of a seed. Throws, with the seed in the message, on any difference. */
  trial(lab: Lab, seed: number): Promise<Counts>;
}

export const randomTrials: readonly RandomTrial[] = [randomRuns, randomApi, randomKernels];

export interface Tally {
  readonly name: string;
  readonly what: string;
  readonly minutes: number;
  readonly seeds: number;
  readonly differences: number;
  readonly counts: Counts;
}

/** Runs seeds from `seed` on for some minutes; `onProblem` receives each difference. */
export async function tryFor(
  { name, what, trial }: RandomTrial,
  lab: Lab,
  minutes: number,
  seed: number,
  onProblem: (problem: string) => void,
): Promise<Tally> {
  const counts: Counts = {};
  let [seeds, differences] = [0, 0];
  for (const end = performance.now() + minutes * 60_000; performance.now() < end; seeds++) {
    try {
      for (const [key, count] of Object.entries(await trial(lab, seed + seeds)))
        counts[key] = (counts[key] ?? 0) + count;
    } catch (error) {
      differences++;
      onProblem(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return { name, what, minutes, seeds, differences, counts };
}
