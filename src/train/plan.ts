import type { GPT2 } from "../api/gpt2.ts";
import type { Precision } from "../backend/backend.ts";
import { UsageError } from "../errors.ts";
import { Sampler } from "../generate/sampler.ts";
import { alone, type Rank } from "../group/group.ts";
import type { GPT2Config } from "../model/config.ts";
import { type AdapterWorkspace, allocAdapterWorkspace, type LoraConfig } from "../model/lora.ts";
import { adapterRows, heldByOthers, type MemoryPlan, requireMemory, weightsPlan } from "../model/memory.ts";
import {
  type Allocator,
  allocDecodeWorkspace,
  allocLossWorkspace,
  allocStepWorkspace,
  type DecodeWorkspace,
  type LossWorkspace,
  type StepWorkspace,
} from "../model/workspace.ts";
import { requireOptions } from "../option-names.ts";
import { checkRun, checkWarmup } from "./checks.ts";
import { type LoraOptions, loraOf } from "./lora-options.ts";
import {
  type BatchSource,
  type RunOptions,
  runOptionNames,
  runOptions,
  type TrainerOptions,
  trainerOptions,
} from "./options.ts";
import { complete, type TrainSettings } from "./settings.ts";

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
  /** The sampler's state for the first one. */
  readonly firstState: bigint;
}

export interface EarlyStopPlan {
  /** Validations without improvement. */
  readonly after: number;
  readonly delta: number;
}

export interface CheckpointPlan {
  readonly every: number;
  /** Rank 0's; the other members only compare their weights. */
  readonly save?: (step: number) => Promise<string | undefined>;
}

/** Properties of the trainer that a plan depends on. */
interface Planned {
  readonly model: GPT2;
  readonly step: number;
  readonly options: Required<TrainerOptions>;
}

/** A run's options, checked, with what is never done left out. */
export interface RunPlan {
  readonly loader: BatchSource;
  /** Batches of an update. */
  readonly accumulate: number;
  readonly precision: Precision;
  /** Count of updates at the end of this run, those of earlier runs included. */
  readonly last: number;
  /** Of the run and those before it; 0: no limit. */
  readonly minutes: number;
  readonly overfit: boolean;
  readonly validation?: ValidationPlan;
  readonly earlyStop?: EarlyStopPlan;
  readonly sample?: SamplePlan;
  /** Updates from one sample to the next, also for those who write none; 0: never. */
  readonly sampleEvery: number;
  readonly checkpoint?: CheckpointPlan;
  readonly signal?: AbortSignal;
  /** An adapter that is trained, and the rows that its activations are for. */
  readonly adapter?: { readonly lora: LoraConfig; readonly rows: number };
}

/**
 * UsageError or MemoryError when the run cannot be; nothing is allocated. `own`: the part of it that is already allocated.
 * Samples and checkpoints are rank 0's.
 */
export function planRun(
  { model, step, options: { accumulate, ...schedule } }: Planned,
  own: MemoryPlan,
  loader: BatchSource,
  options: RunOptions,
  group: Rank,
): RunPlan {
  requireOptions("Trainer.run", options, runOptions, { Trainer: trainerOptions });
  if (options.steps === undefined) throw new UsageError("Trainer.run needs `steps`, the number of updates to make.");
  const settings = complete(runOptionNames, options, { finalValBatches: options.valBatches || undefined });
  const { steps, overfit, valEvery, valBatches, finalValBatches, earlyStop, earlyStopDelta, checkpointEvery } =
    settings;
  const { valLoader, checkpoint, signal } = options;
  checkRun(model.config, loader, { ...options, ...settings });
  const last = step + steps;
  checkWarmup(schedule, last);
  const plan = {
    loader,
    accumulate,
    precision: schedule.precision,
    last,
    minutes: settings.minutes,
    overfit,
    validation:
      valLoader && valEvery > 0 && valBatches > 0
        ? { loader: valLoader, every: valEvery, batches: valBatches, finalBatches: finalValBatches }
        : undefined,
    earlyStop: earlyStop > 0 ? { after: earlyStop, delta: earlyStopDelta } : undefined,
    sample: group.rank === 0 ? planSample(model, settings, options.samplePrompt) : undefined,
    sampleEvery: settings.sampleTokens > 0 ? settings.sampleEvery : 0,
    checkpoint: checkpoint && { every: checkpointEvery, save: group.rank === 0 ? checkpoint : undefined },
    signal,
  };
  const { B, T } = loader;
  const { lora } = own;
  const needed = {
    ...memoryOf({ B, T, accumulate }, own, plan.sample && samplePositions(model.config, plan.sample)),
    evaluate: plan.validation && !sameShape(plan.validation.loader, loader) ? plan.validation.loader : undefined,
  };
  requireMemory(model.backend, model.config, needed, heldByOthers(model.backend, model.config, own));
  return { ...plan, adapter: lora && { lora, rows: adapterRows(needed) } };
}

/** Everything that a run with these settings holds in the memory of a member of a group. Its validation shares the step's activations. */
export function runMemory(config: GPT2Config, settings: TrainSettings, group: Rank = alone): MemoryPlan {
  const { batch: B, block: T, accumulate, sampleEvery, sampleTokens } = settings;
  const S = samplePositions(config, { prompt: [], newTokens: sampleTokens });
  const own = optimizerMemory(config, settings, settings, group);
  return memoryOf({ B, T, accumulate }, own, sampleEvery > 0 ? S : undefined);
}

type Storage = Required<Pick<TrainerOptions, "precision" | "zeroStage" | "optimizer">> & LoraOptions;

function memoryOf(train: MemoryPlan["train"], own: MemoryPlan, S: number | undefined): MemoryPlan {
  return { ...own, optimizer: true, train, decode: S === undefined ? undefined : { S } };
}

/** Weights, gradients and moments: of these, with ZeRO, the part of a member of a group. */
function optimizerMemory(
  config: GPT2Config,
  storage: Storage,
  { weights }: Pick<MemoryPlan, "weights">,
  { rank, size }: Rank,
): MemoryPlan {
  const { precision, zeroStage, optimizer } = storage;
  const share = zeroStage === 1 ? { rank, size } : undefined;
  return { weights, optimizer: true, updates: optimizer, precision, share, lora: loraOf(storage, config) };
}

/** The same of a trainer's model. */
export function trainerMemory(
  { model: { config, parameters }, options }: Omit<Planned, "step">,
  group: Rank,
): MemoryPlan {
  return optimizerMemory(config, options, weightsPlan(parameters), group);
}

function planSample(
  model: GPT2,
  { sampleEvery, sampleTokens, sampleSeed }: Pick<TrainSettings, "sampleEvery" | "sampleTokens" | "sampleSeed">,
  samplePrompt: string | undefined,
): SamplePlan | undefined {
  if (sampleEvery === 0 || sampleTokens === 0) return undefined;
  const firstState = new Sampler({ seed: sampleSeed }).state;
  if (samplePrompt === undefined || samplePrompt === "")
    return { every: sampleEvery, prompt: [model.startToken], newTokens: sampleTokens - 1, firstState };
  if (!model.tokenizer) throw new UsageError("A samplePrompt needs a tokenizer, and this model has none.");
  return {
    every: sampleEvery,
    prompt: model.tokenizer.encode(samplePrompt, { prompt: true }),
    newTokens: sampleTokens,
    firstState,
  };
}

function sameShape(a: BatchSource, b: BatchSource): boolean {
  return a.B === b.B && a.T === b.T;
}

function samplePositions(
  { maxT }: GPT2Config,
  { prompt, newTokens }: Pick<SamplePlan, "prompt" | "newTokens">,
): number {
  return Math.min(maxT, prompt.length + newTokens);
}

/** The activations of a run. */
export interface RunMemory {
  readonly step: StepWorkspace;
  readonly evaluate: LossWorkspace | undefined;
  readonly decode: DecodeWorkspace | undefined;
  readonly adapter: AdapterWorkspace | undefined;
}

/** All of a run's activations: nothing is allocated after its first step. */
export function allocRunMemory(
  at: Allocator,
  model: GPT2,
  { loader, accumulate, precision, validation, sample, adapter }: RunPlan,
): RunMemory {
  const { config } = model;
  const step = allocStepWorkspace(at, config, loader.B, loader.T, accumulate, precision);
  const evaluation = ({ loader: { B, T } }: ValidationPlan) =>
    // No batch is under way while a validation runs, so it can have training's activations.
    B === loader.B && T === loader.T ? step.shared : allocLossWorkspace(at, config, B, T, precision);
  return {
    step,
    evaluate: validation && evaluation(validation),
    decode: sample && allocDecodeWorkspace(at, config, samplePositions(config, sample)),
    adapter: adapter && allocAdapterWorkspace(at, config, adapter.lora, adapter.rows),
  };
}
