/** The whole benchmark: limits and matmuls, then training steps and generation, then the profile, each beside its peers. */
import { GPT2 } from "../api/gpt2.ts";
import { type Precision, type QueueDevice, type WeightType, weightTypes } from "../backend/backend.ts";
import { type OnStart, partInWords } from "../backend/entry.ts";
import { type BackendName, createBackend, type KernelName } from "../backend/registry.ts";
import { UsageError } from "../errors.ts";
import { callsOfStep } from "../model/step-calls.ts";
import { weightTypeProblem } from "../model/weight-type.ts";
import { checkPrecision } from "../train/checks.ts";
import { Trainer } from "../train/trainer.ts";
import { type Comparison, type Result, runInterleaved } from "./comparison.ts";
import { encodingOf } from "./encoding.ts";
import { floorMs, isMeasured, type LimitsTrial, limitsTrial, type MeasuredBackend } from "./limits.ts";
import { dimensions, type Matmul, matmulsOf, OwnMatmuls, workOf } from "./matmuls.ts";
import { Neighbour } from "./neighbour.ts";
import type { PeerProgram } from "./peers/peer.ts";
import { type PeerChoice, startPeers } from "./peers/peers.ts";
import { profileStep } from "./profile.ts";
import {
  type Adapter,
  type BenchReport,
  describeMachine,
  type Encoding,
  type Figure,
  isFigure,
  type Limits,
  type Problem,
  type Profile,
  type Row,
} from "./report.ts";
import {
  type BatchSize,
  batchesOf,
  callsOfToken,
  configOf,
  generationRunner,
  type ModelName,
  neededWork,
  softwareEffort,
  stepsPerRound,
  trainingRunner,
} from "./steps.ts";

export interface BenchOptions {
  readonly backend: BackendName;
  readonly threads?: number;
  readonly revectorize: boolean;
  readonly kernel: KernelName | "auto";
  readonly blas: string;
  readonly models: readonly ModelName[];
  /** Batch and sequence length of the steps instead of the usual ones; the rows of the matmuls too. */
  readonly batch: Partial<BatchSize>;
  /** Storage of the measured steps, each by itself. */
  readonly precisions: readonly Precision[];
  /** Fewer shapes, shorter measurements. */
  readonly quick: boolean;
  /** Rounds; the median is reported. */
  readonly repeats: number;
  readonly profile: boolean;
  /** The steps are measured beside a busy core as well. */
  readonly contention: boolean;
  readonly against: readonly PeerChoice[];
  readonly onProgress: (what: string, share: number) => void;
  readonly signal?: AbortSignal;
}

/** Minimal duration of one measurement of something short. */
const MIN_MS = { quick: 20, long: 50 };
const LIMITS_MS = 20;
/** Repeats of a profiled step. */
const PROFILE_REPEATS = 5;

/** Measures everything that `options` ask for, one device at a time. Throws the signal's reason when aborted. */
export async function bench(options: BenchOptions): Promise<BenchReport> {
  const { models, quick, repeats, batch, precisions } = options;
  const batches = models.map((name) => batchesOf(name, quick, batch));
  const device = await startDevice(options);
  const { queueDevice } = device;
  const { threads } = device;
  let d12: GPT2 | undefined;
  const isChosen = batch.B !== undefined || batch.T !== undefined;
  const matmuls = models.flatMap((name, at) => {
    const [{ B, T }] = batches[at];
    return matmulsOf(name, quick, isChosen ? B * T : undefined);
  });
  const context = { threads, blas: device.blas, matmuls, steps: stepsPerRound(768, 256), d12: () => d12 };
  const peerPrograms = await startPeers(options.against, context);
  try {
    const { limits, rows } = await measureMatmuls(options, device, matmuls, peerPrograms);
    for (const program of peerPrograms) program.endMatmuls?.();
    const made: GPT2[] = [];
    for (const name of models) {
      options.onProgress(`creating ${name}`, 0);
      const model = await GPT2.create(configOf(name), { backend: device });
      if (name === "d12") d12 = model;
      made.push(model);
    }
    const top = limits[limits.length - 1];
    const modelRows = await measureModels(options, made, batches, top, peerPrograms);
    const encodings: Encoding[] = [];
    const profiles: Profile[] = [];
    for (const [at, model] of made.entries())
      for (const precision of precisions) {
        const [size] = batches[at];
        const name = `${models[at]} B=${size.B} T=${size.T}${inStorage[precision]}`;
        options.onProgress(`profile of ${models[at]}`, at / models.length);
        if (queueDevice) encodings.push(await encodingOf(name, queueDevice, model, size, precision));
        if (options.profile) profiles.push(await profileStep(name, model, size, precision, PROFILE_REPEATS));
      }
    return {
      format: "llm-ts bench",
      version: 1,
      date: new Date().toISOString(),
      node: process.version,
      v8: process.versions.v8,
      kernels: device.description,
      ...(queueDevice && { adapter: describeAdapter(queueDevice) }),
      threads,
      repeats,
      machine: describeMachine(),
      limits,
      peers: peerPrograms.map(({ peer }) => peer),
      rows: [...rows, ...modelRows],
      ...(queueDevice && { encodings }),
      profiles,
    };
  } finally {
    for (const program of peerPrograms) await program.dispose();
    await device.dispose();
  }
}

async function startDevice({
  backend: name,
  threads,
  revectorize,
  kernel,
  blas,
  models,
  precisions,
  onProgress,
}: BenchOptions): Promise<MeasuredBackend> {
  const onStart: OnStart = (what, share, part) => onProgress(part ? `${what} (${partInWords(part)})` : what, share);
  const backend = await createBackend(name, { threads, revectorize, kernel, blas, onStart });
  try {
    for (const model of models) for (const precision of precisions) checkPrecision(backend, configOf(model), precision);
    if (isMeasured(backend)) return backend;
    throw new UsageError(
      `The ${backend.name} backend has no probes of its device's limits, which bench compares with: choose another --backend.`,
    );
  } catch (error) {
    await backend.dispose();
    throw error;
  }
}

/** The machine's limits and the matmuls, on one thread and on all, interleaved with the peers' matmuls. */
async function measureMatmuls(
  options: BenchOptions,
  device: MeasuredBackend,
  matmuls: readonly Matmul[],
  peerPrograms: readonly PeerProgram[],
): Promise<{ limits: Limits[]; rows: Row[] }> {
  const { repeats, quick, onProgress, signal } = options;
  const single = device.threads === 1 ? undefined : await startDevice({ ...options, threads: 1 });
  const devices = single ? [single, device] : [device];
  const minMs = quick ? MIN_MS.quick : MIN_MS.long;
  try {
    const trials: LimitsTrial[] = [];
    for (const each of devices) trials.push(await limitsTrial(each, LIMITS_MS));
    const limitComparisons = trials.flatMap(({ comparisons }) => comparisons);
    const own: OwnMatmuls[] = [];
    for (const each of devices) own.push(await OwnMatmuls.create(each, matmuls));
    const matmulComparisons = devices.flatMap(({ threads }, at) =>
      matmuls.map((matmul): Comparison => {
        const peerRunners = peerPrograms.flatMap(({ matmul: runner }) =>
          runner ? [runner(matmul, threads, minMs)] : [],
        );
        return { name: nameOf(matmul), runners: [own[at].runner(matmul, minMs), ...peerRunners] };
      }),
    );
    const results = await runInterleaved([...limitComparisons, ...matmulComparisons], repeats, onProgress, signal);
    const limits = trials.map((trial) => {
      const count = trial.comparisons.length;
      return trial.limits(results.splice(0, count));
    });
    const rows = devices.flatMap(({ threads }, at) =>
      matmuls.map((matmul): Row => {
        const work = workOf(matmul);
        const result = figuresOf(results.shift());
        return {
          kind: "product",
          name: nameOf(matmul),
          threads,
          ...work,
          floorMs: floorMs(limits[at], work),
          ...result,
        };
      }),
    );
    for (const trial of trials) await trial.free();
    for (const each of own) await each.free();
    return { limits, rows };
  } finally {
    await single?.dispose();
  }
}

function nameOf(matmul: Matmul): string {
  return `${matmul.name} ${matmul.form} ${dimensions(matmul).join("x")}`;
}

function describeAdapter({ adapter, hasTimestamps }: QueueDevice): Adapter {
  const { label, driver, fallback } = adapter;
  return { name: label, driver, isSoftware: fallback, hasTimestamps };
}

const weightsIn: Readonly<Record<WeightType, string>> = {
  f32: "",
  bf16: ", weights in bfloat16",
  int8: ", weights in int8",
};

/** For names of steps. */
const inStorage: Readonly<Record<Precision, string>> = { fp32: "", bf16: ", in bf16" };

/** Training steps and generation of all models, interleaved with the peers' training steps. */
async function measureModels(
  { repeats, models, precisions, contention, onProgress, signal }: BenchOptions,
  made: readonly GPT2[],
  batches: readonly (readonly BatchSize[])[],
  limits: Limits,
  peerPrograms: readonly PeerProgram[],
): Promise<Row[]> {
  const comparisons: Comparison[] = [];
  const facts: Omit<Row, "ours" | "peers">[] = [];
  const trainers = made.map((model) => precisions.map((precision) => new Trainer(model, { precision })));
  const neighbour = contention ? new Neighbour() : undefined;
  const effort = made[0].backend.queueDevice?.adapter.fallback ? softwareEffort : undefined;
  for (const [at, model] of made.entries()) {
    const { config } = model;
    for (const { B, T } of batches[at])
      for (const trainer of trainers[at]) {
        const { precision } = trainer.options;
        const name = `${models[at]} training step, B=${B} T=${T}${inStorage[precision]}`;
        // Peers compute in single precision.
        const peers = precision === "fp32" ? peerPrograms.flatMap(({ step }) => step?.(config, B, T) ?? []) : [];
        const alone = { name, runners: [trainingRunner(trainer, B, T, effort?.steps), ...peers] };
        const work = neededWork(callsOfStep(config, B, T, precision), limits);
        for (const comparison of neighbour ? [alone, neighbour.beside(alone)] : [alone]) {
          comparisons.push(comparison);
          const { name } = comparison;
          facts.push({ kind: "step", name, threads: limits.threads, tokens: B * T, precision, ...work });
        }
      }
    for (const weights of weightTypes) {
      if (weightTypeProblem(model.backend, config, weights)) continue;
      const name = `${models[at]} one token written${weightsIn[weights]}`;
      const writer = weights === "f32" ? model : await GPT2.create(config, { backend: model.backend, weights });
      comparisons.push({ name, runners: [generationRunner(writer, effort?.tokens)] });
      const work = neededWork(callsOfToken(config, weights), limits);
      facts.push({ kind: "generation", name, threads: limits.threads, tokens: 1, ...work });
    }
  }
  const results = await runInterleaved(comparisons, repeats, onProgress, signal).finally(() => neighbour?.dispose());
  for (const trainer of trainers.flat()) await trainer.dispose();
  return facts.map((fact, at) => ({ ...fact, ...figuresOf(results[at]) }));
}

function figuresOf(result: Result | undefined): Pick<Row, "ours" | "peers"> {
  const peers: Record<string, Figure | Problem> = {};
  let ours: Figure = { ms: Number.NaN, samples: [] };
  for (const [name, figure] of result ?? []) {
    if (name !== "llm.ts") peers[name] = figure;
    else if (isFigure(figure)) ours = figure;
  }
  return { ours, peers };
}
