import type { Batch } from "../data/batch.ts";
import type { LoaderPosition } from "../data/order.ts";
import { UsageError } from "../errors.ts";
import type { BatchSource } from "./options.ts";

/** The batches of one step, and where their source stood behind the last of them. */
export interface StepBatches {
  readonly batches: readonly Batch[];
  readonly end: LoaderPosition | undefined;
}

export async function fetchBatches(source: BatchSource, count: number): Promise<StepBatches> {
  const batches: Batch[] = [];
  for (let i = 0; i < count; i++) batches.push(await source.next());
  return { batches, end: source.position?.() };
}

/** Takes a source to where an earlier run left it. */
export async function goTo(source: BatchSource, position: LoaderPosition | undefined): Promise<void> {
  if (position === undefined) return;
  if (!source.seek) throw new UsageError("The run stopped within its data, and this source of batches cannot seek.");
  await source.seek(position);
}
