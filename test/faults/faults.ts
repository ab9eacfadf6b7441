/** Everything that is made to happen to runs: `npm run test:faults` does it often, the ordinary tests once or twice. */
import { damageFaults } from "./damage.ts";
import { diskFaults } from "./disk.ts";
import { groupFaults } from "./groups.ts";
import type { Lab } from "./lab.ts";
import { processFaults } from "./processes.ts";
import { surroundingFaults } from "./surroundings.ts";

export interface Fault {
  readonly name: string;
  /** The fault and the expected state afterwards, for a table. */
  readonly what: string;
  /** Number of trials: in the ordinary tests, and for the table. */
  readonly quick: number;
  readonly full: number;
  /** Reason for which it cannot be tried on this machine. */
  readonly skip?: string | false;
  /** Does it once; throws when anything is lost. */
  attempt(lab: Lab, number: number): Promise<void>;
}

export const faults: readonly Fault[] = [
  ...processFaults,
  ...damageFaults,
  ...diskFaults,
  ...surroundingFaults,
  ...groupFaults,
];
