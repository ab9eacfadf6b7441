/** Several processes: a training step, the sum of its gradients, and on paper what that costs over other networks. */
import { GPT2 } from "../api/gpt2.ts";
import { type Backend, type Precision, precisions } from "../backend/backend.ts";
import type { Group } from "../group/group.ts";
import { parameterCount } from "../model/parameters.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { TensorSet } from "../model/tensor-set.ts";
import { Trainer } from "../train/trainer.ts";
import { median } from "./comparison.ts";
import { type BatchSize, configOf, type ModelName, trainingRunner } from "./steps.ts";

export interface GroupFigures extends BatchSize {
  readonly model: ModelName;
  readonly processes: number;
  /** Bytes of the gradients, and tensors that they are summed as. */
  readonly bytes: number;
  readonly tensors: number;
  /** Milliseconds of a step without the sum, in the slowest process, while all compute. */
  readonly stepMs: number;
  /** Milliseconds of the sum; undefined for one process. */
  readonly sumMs?: number;
  /** The same where gradients travel as bfloat16. */
  readonly sumBf16Ms?: number;
}

/** Measures in all members of a group alike: medians of `rounds`. */
export async function benchGroup(
  backend: Backend,
  group: Group,
  model: ModelName,
  { B, T }: BatchSize,
  rounds: number,
): Promise<GroupFigures> {
  const config = configOf(model);
  const own = await GPT2.zeros(config, { backend });
  const memory = new TensorScope(backend);
  try {
    const grads = new TensorSet(memory, config, "f32", undefined, "gradients");
    const trainer = new Trainer(own);
    const runner = trainingRunner(trainer, B, T);
    await runner.warmUp?.();
    // The first sums are slower: memory that is not mapped yet, and connections.
    for (const precision of precisions) await group.sumTensors(backend, grads.blocks, precision);
    const steps: number[] = [];
    const sums: Record<Precision, number[]> = { fp32: [], bf16: [] };
    for (let round = 0; round < rounds; round++) {
      await group.any(false);
      steps.push(await runner.measure());
      for (const precision of precisions) {
        // The slowest has finished: what follows is the sum alone.
        await group.any(false);
        const began = performance.now();
        await group.sumTensors(backend, grads.blocks, precision);
        sums[precision].push(performance.now() - began);
      }
    }
    await trainer.dispose();
    const stepMs = Math.max(...(await group.gather(median(steps))));
    const size = {
      model,
      B,
      T,
      processes: group.size,
      bytes: 4 * parameterCount(config),
      tensors: grads.blocks.length,
    };
    const measured = { sumMs: median(sums.fp32), sumBf16Ms: median(sums.bf16) };
    return { ...size, stepMs, ...(group.size > 1 && measured) };
  } finally {
    await memory.free();
    await own.dispose();
  }
}

/** Networks by their rate, in Gbit/s. */
const networks = [1, 10, 25, 100] as const;
const sizes = [2, 8, 64] as const;
/** Batches of an update. */
const accumulations = [1, 8, 64] as const;
/** Share of a network's rate that reaches a program over TCP. */
const USABLE = 0.85;
/** Seconds that one message takes at least. */
const LATENCY = 30e-6;

/** Seconds that summing the gradients takes over a network on paper: each process sends 2 (N-1)/N of them. */
export function sumSeconds(
  { bytes, tensors }: Pick<GroupFigures, "bytes" | "tensors">,
  processes: number,
  gbit: number,
) {
  const rate = (USABLE * gbit * 1e9) / 8;
  return ((2 * (processes - 1)) / processes) * (bytes / rate) + 2 * Math.log2(processes) * LATENCY * tensors;
}

/** Share of an update that is computing, for so many batches between two sums. */
export function efficiency(stepSeconds: number, sum: number, accumulate: number): number {
  return (accumulate * stepSeconds) / (accumulate * stepSeconds + sum);
}

const percent = (share: number) => `${Math.round(100 * share)}%`;
const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

/** What was measured, and the efficiency on paper of other networks and numbers of processes. */
export function groupTable(figures: GroupFigures): string {
  const { model, B, T, processes, bytes, stepMs, sumMs, sumBf16Ms } = figures;
  const seconds = stepMs / 1000;
  const head = ["network", ...sizes.flatMap((N) => accumulations.map((A) => `${N} x ${A}`))];
  const rows = networks.map((gbit) =>
    row([
      `${gbit} Gbit/s`,
      ...sizes.flatMap((N) => accumulations.map((A) => percent(efficiency(seconds, sumSeconds(figures, N, gbit), A)))),
    ]),
  );
  const sum =
    sumMs === undefined
      ? "One process: nothing was summed. Start several with mpirun to measure that as well."
      : `sum of gradients ${sumMs.toFixed(1)} ms (${((2 * (processes - 1) * bytes) / processes / sumMs / 1e6).toFixed(2)} GB/s a process), ` +
        `${percent(1 - efficiency(seconds, sumMs / 1000, 1))} of an update of one batch` +
        (sumBf16Ms === undefined ? "" : `; as bfloat16 (llm-ts train --grad-dtype bf16) ${sumBf16Ms.toFixed(1)} ms`);
  return [
    `${model}, B = ${B}, T = ${T} in each of ${processes}: step ${stepMs.toFixed(1)} ms; gradients ${(bytes / 1e6).toFixed(1)} MB`,
    sum,
    "",
    "On paper: the share of an update that is computing, by processes x batches that one accumulates.",
    row(head),
    row(head.map((_, i) => (i === 0 ? "---" : "---:"))),
    ...rows,
    "",
  ].join("\n");
}
