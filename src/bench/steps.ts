/** Training steps and generated tokens, by Trainer and GPT2 themselves, and their durations at the limits. */
import type { GPT2 } from "../api/gpt2.ts";
import type { WeightType } from "../backend/backend.ts";
import { type Call, callsOf, costOf, type OperationName, type Work } from "../backend/work.ts";
import type { Batch } from "../data/batch.ts";
import { UsageError } from "../errors.ts";
import { type GPT2Config, makeConfig, presetConfig } from "../model/config.ts";
import { decodeStep } from "../model/gpt2.ts";
import { syntheticTokens } from "../model/synthetic-step.ts";
import { TensorSet } from "../model/tensor-set.ts";
import { allocDecodeWorkspace } from "../model/workspace.ts";
import type { BatchSource } from "../train/options.ts";
import type { Trainer } from "../train/trainer.ts";
import { median, type Runner } from "./comparison.ts";
import { floorMs } from "./limits.ts";
import type { Limits } from "./report.ts";

export const modelNames = ["d12", "baby"] as const;

export type ModelName = (typeof modelNames)[number];

/** Vocabulary of tiny Shakespeare in characters, the small model's data. */
const CHARACTERS = 65;

export function configOf(name: ModelName): GPT2Config {
  return (
    presetConfig(name, name === "baby" ? CHARACTERS : 50257) ?? makeConfig({ maxT: 64, V: 65, L: 4, NH: 4, C: 128 })
  );
}

/** Batch and sequence length of a step. */
export interface BatchSize {
  readonly B: number;
  readonly T: number;
}

/** The batches whose steps are measured: the usual ones, or one with the B or T of `chosen`. UsageError for too long a T. */
export function batchesOf(name: ModelName, quick: boolean, { B, T }: Partial<BatchSize>): BatchSize[] {
  const usual = usualBatches(name, quick);
  if (B === undefined && T === undefined) return usual;
  const { maxT } = configOf(name);
  if (T !== undefined && T > maxT)
    throw new UsageError(`${name} has a context of ${maxT} tokens: choose -t ${maxT} or less, or another --model.`);
  return [{ B: B ?? usual[0].B, T: T ?? usual[0].T }];
}

function usualBatches(name: ModelName, quick: boolean): BatchSize[] {
  if (name === "baby") return [{ B: 12, T: 64 }];
  return quick
    ? [{ B: 4, T: 64 }]
    : [
        { B: 4, T: 64 },
        { B: 1, T: 1024 },
      ];
}

/** Steps per round: many where a step is short. */
export function stepsPerRound(C: number, tokens: number): number {
  if (C <= 256) return 20;
  return tokens <= 256 ? 2 : 1;
}

/** The same batch again and again: its contents do not change the duration of a step. */
class SyntheticBatches implements BatchSource {
  readonly B: number;
  readonly T: number;
  readonly #batch: Batch;

  constructor(B: number, T: number, V: number) {
    this.B = B;
    this.T = T;
    const tokens = syntheticTokens(B * T + 1, V);
    this.#batch = { inputs: tokens.subarray(0, B * T), targets: tokens.subarray(1) };
  }

  async next(): Promise<Batch> {
    return this.#batch;
  }

  reset(): void {}
}

export function trainingRunner(trainer: Trainer, B: number, T: number, stepsAtOnce?: number): Runner {
  const { V, C } = trainer.model.config;
  const steps = stepsAtOnce ?? stepsPerRound(C, B * T);
  const loader = new SyntheticBatches(B, T, V);
  const run = async (steps: number) => {
    const times: number[] = [];
    for await (const event of trainer.run(loader, { steps, valEvery: 0, sampleEvery: 0 }))
      if (event.type === "step") times.push(event.ms);
    return times;
  };
  return {
    name: "llm.ts",
    warmUp: async () => {
      await run(2);
    },
    // Without the first step, whose activations are in memory that is not mapped yet.
    measure: async () => median((await run(1 + steps)).slice(1)),
  };
}

/** Tokens generated per measurement, after the first. */
const TOKENS = 48;

/** Repeats of a measurement on a software adapter, where precision is of no use. */
export const softwareEffort = { steps: 2, tokens: 8 };

export function generationRunner(model: GPT2, tokens = TOKENS): Runner {
  const msPerToken = async () => {
    let first: number | undefined;
    for await (const _token of model.generateTokens([0], { maxTokens: tokens + 1, temperature: 0, pastEnd: true }))
      first ??= performance.now();
    return (performance.now() - (first ?? 0)) / tokens;
  };
  return {
    name: "llm.ts",
    warmUp: async () => {
      await msPerToken();
    },
    measure: msPerToken,
  };
}

/** All operations of generating one token, at the mean position of a measurement. */
export function callsOfToken(config: GPT2Config, weights: WeightType): Call[] {
  return callsOf((be) => {
    const workspace = allocDecodeWorkspace(be, config);
    decodeStep(be, { config, weights: new TensorSet(be, config, weights) }, workspace, TOKENS / 2);
  });
}

/**
 * Operations that every implementation needs: matmuls, attention, and the update, which reads and writes every parameter.
 * An ideal program would fuse all others into them.
 */
const needed: ReadonlySet<OperationName> = new Set([
  "matmulForward",
  "matmulBackwardInput",
  "matmulBackwardWeight",
  "attentionForward",
  "attentionBackward",
  "headBackward",
  "adamw",
]);

/** Work of the necessary calls, and its duration at the limits, one call after the other. */
export function neededWork(calls: readonly Call[], limits: Limits): Work & { readonly floorMs: number } {
  const costs = calls.filter(({ operation }) => needed.has(operation)).map(costOf);
  const sum = (value: (cost: Work) => number) => costs.reduce((total, cost) => total + value(cost), 0);
  return {
    flops: sum(({ flops }) => flops),
    bytes: sum(({ bytes }) => bytes),
    floorMs: sum((cost) => floorMs(limits, cost)),
  };
}
