/** A run that goes on, and flags that say something else than it was told. */
import { UsageError } from "../../errors.ts";
import type { RunRecord } from "../../runs/record.ts";
import type { TrainFlags } from "./options.ts";

/** What the weights or the position in the data depend on: it cannot be changed between two updates. */
const fixed = [
  ...["model", "layers", "heads", "channels", "context", "vocab"],
  ...["headerless", "batch", "block", "order", "overfit", "seed", "dataSeed", "sampleSeed"],
];

/** What no result depends on. */
const alwaysFree = ["checkpointEvery", "keep", "keepEvery"];

/** Whether a flag must agree with the run's. */
export function isSetting(name: string, { run }: Pick<RunRecord, "run">): boolean {
  return (name in run || fixed.includes(name)) && !alwaysFree.includes(name);
}

interface Difference {
  readonly name: string;
  readonly before: unknown;
  readonly now: unknown;
}

/** The flags given now that say something else than the run's settings do. Data is compared by its content, elsewhere. */
export function differingFlags(flags: TrainFlags, { given, run }: RunRecord): Difference[] {
  const before: Readonly<Record<string, unknown>> = { ...given, ...run };
  const typed: Readonly<Record<string, unknown>> = { ...given };
  return Object.entries(flags)
    .filter(([name]) => isSetting(name, { run }))
    .filter(([name, now]) => now !== before[name] && now !== typed[name])
    .map(([name, now]) => ({ name, before: before[name], now }));
}

const option = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
export const describe = ({ name, before, now }: Difference) => `${option(name)}: ${before ?? "none"}, now ${now}`;

/** UsageError for differences that are not wanted, or not possible. */
export function refuse(path: string, found: readonly Difference[], force: boolean): void {
  const never = found.filter(({ name }) => fixed.includes(name));
  const refused = force ? never : found;
  if (refused.length === 0) return;
  const advice =
    never.length === 0
      ? "Leave it out to go on as before, or add --force."
      : `${never.map(({ name }) => option(name)).join(", ")} cannot change within a run, not even with --force: ` +
        "leave it out, or start another run.";
  throw new UsageError(`The run in ${path} was told otherwise. ${found.map(describe).join("; ")}. ${advice}`);
}
