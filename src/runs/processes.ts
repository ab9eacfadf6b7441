/** Runs of several processes: what each of them takes of a batch, at another number of them than before. */
import { UsageError } from "../errors.ts";
import type { Rank } from "../group/group.ts";
import type { RunRecord } from "./record.ts";

/**
 * The record for a resume with `size` processes: the batches of the run stay as they are, and with them its position in the
 * data, and each process takes another number of their rows. UsageError where they cannot be divided.
 */
export function dividedAmong({ size }: Rank, path: string, record: RunRecord): RunRecord {
  const { run, processes = 1 } = record;
  if (processes === size) return record;
  const rows = run.batch * processes;
  if (rows % size === 0) {
    const divided = withoutShares(size, record);
    return { ...divided, run: { ...divided.run, batch: rows / size }, processes: size };
  }
  const fitting = Array.from({ length: rows }, (_, i) => i + 1).filter((count) => rows % count === 0);
  throw new UsageError(
    `A batch of the run in ${path} has ${rows} rows, which ${size} processes cannot share equally. Resume it with ` +
      `${shortList(fitting)} processes.`,
  );
}

/** One process shares nothing out. */
function withoutShares(size: number, record: RunRecord): RunRecord {
  if (size > 1) return record;
  const { zeroStage, ...given } = record.given;
  return { ...record, given, run: { ...record.run, zeroStage: 0 } };
}

function shortList(numbers: readonly number[]): string {
  const shown = numbers.length > 8 ? [...numbers.slice(0, 7), numbers.at(-1)] : numbers;
  return `${shown.slice(0, -1).join(", ")}${shown.length > 1 ? " or " : ""}${shown.at(-1)}`;
}
