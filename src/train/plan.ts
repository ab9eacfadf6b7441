import type { GPT2 } from "../api/gpt2.ts";
import { UsageError } from "../errors.ts";
import { Sampler } from "../generate/sampler.ts";
import { requireMemory } from "../model/memory.ts";
import {
  allocDecodeWorkspace,
  allocLossWorkspace,
  allocTrainWorkspace,
  type DecodeWorkspace,
  freeWorkspace,
  type LossWorkspace,
  type TrainWorkspace,
  type Workspace,
} from "../model/workspace.ts";
import { checkRun } from "./checks.ts";
import type { BatchSource, RunOptions } from "./options.ts";

export interface ValidationPlan {
  readonly loader: BatchSource;
  readonly every: number;
  readonly batches: number;
  /** In the last validation. */
  readonly finalBatches: number;
}

export interface SamplePlan {
  readonly every: number;
  readonly prompt: readonly number[];
  /** Tokens to write behind the prompt. */
  readonly newTokens: number;
  /** Its random numbers go on from sample to sample. */
  readonly sampler: Sampler;
}

export interface CheckpointPlan {
  readonly every: number;
  readonly save: (step: number) => Promise<string>;
}

/** A run's options, checked, with what is never done left out. */
export interface RunPlan {
  readonly loader: BatchSource;
  readonly steps: number;
  readonly validation?: ValidationPlan;
  readonly sample?: SamplePlan;
  readonly checkpoint?: CheckpointPlan;
  readonly signal?: AbortSignal;
}

/** UsageError or MemoryError when the run cannot be; nothing is allocated. */
export function planRun(model: GPT2, loader: BatchSource, options: RunOptions): RunPlan {
  const {
    steps,
    valLoader,
    valEvery = 10,
    valBatches = 10,
    finalValBatches = valBatches,
    checkpoint,
    checkpointEvery = 0,
    signal,
  } = options;
  checkRun(model.config, loader, options);
  const plan: RunPlan = {
    loader,
    steps,
    validation:
      valLoader && valEvery > 0 && valBatches > 0
        ? { loader: valLoader, every: valEvery, batches: valBatches, finalBatches: finalValBatches }
        : undefined,
    sample: planSample(model, options),
    checkpoint: checkpoint && { every: checkpointEvery, save: checkpoint },
    signal,
  };
  requireMemory(model.backend, model.config, {
    optimizer: true,
    train: loader,
    evaluate: plan.validation && !sameShape(plan.validation.loader, loader) ? plan.validation.loader : undefined,
    decode: plan.sample && { S: samplePositions(model, plan.sample) },
  });
  return plan;
}

function planSample(model: GPT2, options: RunOptions): SamplePlan | undefined {
  const { sampleEvery = 20, sampleTokens = 64, sampleSeed: seed, samplePrompt } = options;
  if (sampleEvery === 0 || sampleTokens === 0) return undefined;
  const sampler = new Sampler({ seed });
  if (samplePrompt === undefined || samplePrompt === "")
    return { every: sampleEvery, prompt: [model.startToken], newTokens: sampleTokens - 1, sampler };
  if (!model.tokenizer) throw new UsageError("A samplePrompt needs a tokenizer, and this model has none.");
  return { every: sampleEvery, prompt: model.tokenizer.encode(samplePrompt), newTokens: sampleTokens, sampler };
}

function sameShape(a: BatchSource, b: BatchSource): boolean {
  return a.B === b.B && a.T === b.T;
}

function samplePositions({ config }: GPT2, { prompt, newTokens }: SamplePlan): number {
  return Math.min(config.maxT, prompt.length + newTokens);
}

/** The activations of a run. Everything is allocated before its first step. */
export class RunMemory {
  readonly train: TrainWorkspace;
  readonly evaluate: LossWorkspace | undefined;
  readonly decode: DecodeWorkspace | undefined;
  readonly #model: GPT2;

  constructor(model: GPT2, { loader, validation, sample }: RunPlan) {
    const { backend, config } = model;
    this.#model = model;
    this.train = allocTrainWorkspace(backend, config, loader.B, loader.T);
    if (validation)
      // No batch is under way while a validation runs, so it can have training's activations.
      this.evaluate = sameShape(validation.loader, loader)
        ? this.train
        : allocLossWorkspace(backend, config, validation.loader.B, validation.loader.T);
    if (sample) this.decode = allocDecodeWorkspace(backend, config, samplePositions(model, sample));
  }

  async free(): Promise<void> {
    const workspaces = new Set<Workspace | undefined>([this.train, this.evaluate, this.decode]);
    for (const workspace of workspaces) if (workspace) await freeWorkspace(this.#model.backend, workspace);
  }
}
