/** Profile of a training step: every call of a real step is replayed alone and timed. */
import type { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import { type Call, costOf, type OperationName, recordOperations } from "../backend/work.ts";
import { backward, forward, gradientNorm, update } from "../model/gpt2.ts";
import { usualAdamw } from "../model/step-calls.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { TensorSet } from "../model/tensor-set.ts";
import { allocTrainWorkspace } from "../model/workspace.ts";
import { median } from "./comparison.ts";
import type { Profile, ProfileRow } from "./report.ts";
import { syntheticTokens } from "./steps.ts";

/** Samples of the round trip. */
const ROUND_TRIPS = 200;

export async function profileStep(name: string, model: GPT2, B: number, T: number, repeats: number): Promise<Profile> {
  const { backend, config, parameters } = model;
  const calls: Call[] = [];
  const be = recordOperations(backend, (call) => calls.push(call));
  const memory = new TensorScope(backend);
  const training = {
    grads: new TensorSet(memory, config),
    m: new TensorSet(memory, config),
    v: new TensorSet(memory, config),
  };
  const workspace = allocTrainWorkspace(memory, config, B, T);
  const tokens = syntheticTokens(B * T + 1, config.V);
  await backend.write(workspace.tokens, tokens.subarray(0, B * T));
  await backend.write(workspace.head.targets, tokens.subarray(1));
  forward(be, parameters, workspace);
  backward(be, parameters, training.grads, workspace);
  gradientNorm(be, training.grads, workspace);
  update(be, parameters, training, usualAdamw);
  await backend.sync();

  const roundTripMs = await roundTrip(backend, () => backend.fill(workspace.stats, 0));
  const times = calls.map((): number[] => []);
  // In the order of the step, so that operands are in cache, or not, as in the step.
  for (let i = 0; i < repeats; i++)
    for (const [at, { operation, args }] of calls.entries())
      times[at].push(await timeOf(backend, () => replay(backend, operation, args)));

  await memory.free();
  const ms = times.map((samples) => Math.max(0, median(samples) - roundTripMs));
  const rows = rowsOf(calls, ms);
  const sum = ms.reduce((total, one) => total + one, 0);
  return { name, threads: backend.threads, roundTripMs, ms: sum, rows };
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

function replay(backend: Backend, operation: OperationName, args: readonly unknown[]): void {
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
