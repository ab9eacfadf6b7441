/**
 * Profile of a training step: every call of a real step is replayed and timed, on a GPU by its own clock where it has one,
 * elsewhere alone, by waiting for it.
 */
import type { GPT2 } from "../api/gpt2.ts";
import type { Backend, Precision } from "../backend/backend.ts";
import { type Call, costOf, recordOperations } from "../backend/work.ts";
import { syntheticStep } from "../model/synthetic-step.ts";
import { median } from "./comparison.ts";
import type { Profile, ProfileRow } from "./report.ts";
import type { BatchSize } from "./steps.ts";

/** Samples of the round trip. */
const ROUND_TRIPS = 200;

export async function profileStep(
  name: string,
  model: GPT2,
  { B, T }: BatchSize,
  precision: Precision,
  repeats: number,
): Promise<Profile> {
  const { backend } = model;
  const step = await syntheticStep(model, B, T, precision);
  const calls: Call[] = [];
  step.run(recordOperations(backend, (call) => calls.push(call)));
  await backend.sync();
  const clock = backend.queueDevice?.hasTimestamps ? backend.queueDevice : undefined;
  const roundTripMs = clock ? undefined : await roundTrip(backend, () => backend.fill(step.stats, 0));
  const times = calls.map((): number[] => []);
  // In the order of the step, so that operands are in cache, or not, as in the step.
  for (let i = 0; i < repeats; i++) {
    const runs = calls.map((call) => () => replay(backend, call));
    const round = clock ? await clock.timesOf(runs) : await timesOf(backend, runs);
    for (const [at, ms] of round.entries()) times[at].push(ms);
  }
  await step.free();
  const ms = times.map((samples) => Math.max(0, median(samples) - (roundTripMs ?? 0)));
  const rows = rowsOf(calls, ms);
  const sum = ms.reduce((total, one) => total + one, 0);
  return { name, threads: backend.threads, roundTripMs, ms: sum, rows };
}

/** Milliseconds of each of `runs`, waiting for one after the other. */
async function timesOf(backend: Backend, runs: readonly (() => void)[]): Promise<number[]> {
  const times: number[] = [];
  for (const run of runs) times.push(await timeOf(backend, run));
  return times;
}

async function timeOf(backend: Backend, run: () => void): Promise<number> {
  const start = performance.now();
  run();
  await backend.sync();
  return performance.now() - start;
}

async function roundTrip(backend: Backend, run: () => void): Promise<number> {
  const samples: number[] = [];
  for (let i = 0; i < ROUND_TRIPS; i++) samples.push(await timeOf(backend, run));
  return median(samples);
}

function replay(backend: Backend, { operation, args }: Call): void {
  const run: (...args: never[]) => void = backend[operation];
  run.apply(backend, args as never[]);
}

/** Calls summed by label, longest first. */
function rowsOf(calls: readonly Call[], ms: readonly number[]): ProfileRow[] {
  const total = ms.reduce((sum, one) => sum + one, 0);
  const rows = new Map<string, ProfileRow>();
  for (const [at, call] of calls.entries()) {
    const { label, flops, bytes } = costOf(call);
    const before = rows.get(label) ?? { operation: label, calls: 0, ms: 0, share: 0, flops: 0, bytes: 0 };
    rows.set(label, {
      operation: label,
      calls: before.calls + 1,
      ms: before.ms + ms[at],
      share: before.share + ms[at] / total,
      flops: before.flops + flops,
      bytes: before.bytes + bytes,
    });
  }
  return [...rows.values()].sort((a, b) => b.ms - a.ms);
}
