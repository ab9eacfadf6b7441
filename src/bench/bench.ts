/** The whole benchmark: limits and products with their peers, then training steps and generation, then the profile. */
import { GPT2 } from "../api/gpt2.ts";
import { createBackend, defaultBackend, type KernelName } from "../backend/registry.ts";
import { BackendError } from "../errors.ts";
import { callsOfStep } from "../model/step-calls.ts";
import { Trainer } from "../train/trainer.ts";
import { type Contest, hold, type Result } from "./contest.ts";
import { floorMs, isMeasured, type LimitsTrial, limitsTrial, type MeasuredBackend } from "./limits.ts";
import { describeMachine } from "./machine.ts";
import type { Competitor } from "./peers/peer.ts";
import { type PeerChoice, summon } from "./peers/peers.ts";
import { dimensions, OwnProducts, type Product, productsOf, workOf } from "./products.ts";
import { profileStep } from "./profile.ts";
import {
  type BenchReport,
  type Figure,
  isFigure,
  type Limits,
  type Problem,
  type Profile,
  type Row,
} from "./report.ts";
import {
  batchesOf,
  callsOfToken,
  configOf,
  generationContender,
  type ModelName,
  neededWork,
  stepsInARound,
  trainingContender,
} from "./steps.ts";

export interface BenchOptions {
  readonly threads?: number;
  readonly revectorize: boolean;
  readonly kernel: KernelName | "auto";
  readonly models: readonly ModelName[];
  /** Fewer shapes, shorter measurements. */
  readonly quick: boolean;
  /** Rounds, of which the median counts. */
  readonly repeats: number;
  readonly profile: boolean;
  readonly against: readonly PeerChoice[];
  readonly onProgress: (what: string, share: number) => void;
  readonly signal?: AbortSignal;
}

/** How long something short is measured at a time. */
const LEAST_MS = { quick: 20, long: 50 };
const LIMITS_MS = 20;
/** Repeats of a profiled step. */
const PROFILE_REPEATS = 5;

export async function bench(options: BenchOptions): Promise<BenchReport> {
  const { models, quick, repeats } = options;
  const device = await startDevice(options);
  const { threads } = device;
  let d12: GPT2 | undefined;
  const products = productsOf(models, quick);
  const terms = { threads, products, steps: stepsInARound(768, 256), d12: () => d12 };
  const competitors = await summon(options.against, terms);
  try {
    const { limits, rows } = await measureProducts(options, device, products, competitors);
    for (const competitor of competitors) competitor.endProducts?.();
    const made: GPT2[] = [];
    for (const name of models) {
      options.onProgress(`creating ${name}`, 0);
      const model = await GPT2.create(configOf(name), { backend: device });
      if (name === "d12") d12 = model;
      made.push(model);
    }
    const top = limits[limits.length - 1];
    const modelRows = await measureModels(options, made, top, competitors);
    const profiles: Profile[] = [];
    for (const [at, name] of models.entries()) {
      if (!options.profile) break;
      options.onProgress(`profile of ${name}`, at / models.length);
      const [{ B, T }] = batchesOf(name, quick);
      profiles.push(await profileStep(`${name} B=${B} T=${T}`, made[at], B, T, PROFILE_REPEATS));
    }
    return {
      format: "llm-ts bench",
      version: 1,
      date: new Date().toISOString(),
      node: process.version,
      v8: process.versions.v8,
      kernels: device.description,
      threads,
      repeats,
      machine: describeMachine(),
      limits,
      peers: competitors.map(({ peer }) => peer),
      rows: [...rows, ...modelRows],
      profiles,
    };
  } finally {
    for (const competitor of competitors) await competitor.dispose();
    await device.dispose();
  }
}

async function startDevice({ threads, revectorize, kernel }: BenchOptions): Promise<MeasuredBackend> {
  const backend = await createBackend(defaultBackend, { threads, revectorize, kernel });
  if (isMeasured(backend)) return backend;
  throw new BackendError(`The ${backend.name} backend cannot measure its device, which the benchmark compares with.`);
}

/** The machine's limits and the products, at one thread and at all, in turns with those who also do products. */
async function measureProducts(
  options: BenchOptions,
  device: MeasuredBackend,
  products: readonly Product[],
  competitors: readonly Competitor[],
): Promise<{ limits: Limits[]; rows: Row[] }> {
  const { repeats, quick, onProgress, signal } = options;
  const single = device.threads === 1 ? undefined : await startDevice({ ...options, threads: 1 });
  const devices = single ? [single, device] : [device];
  const leastMs = quick ? LEAST_MS.quick : LEAST_MS.long;
  try {
    const trials: LimitsTrial[] = [];
    for (const each of devices) trials.push(await limitsTrial(each, LIMITS_MS));
    const limitContests = trials.flatMap(({ contests }) => contests);
    const own: OwnProducts[] = [];
    for (const each of devices) own.push(await OwnProducts.create(each, products));
    const productContests = devices.flatMap(({ threads }, at) =>
      products.map((product): Contest => {
        const rivals = competitors.flatMap(({ product: enter }) => (enter ? [enter(product, threads, leastMs)] : []));
        return { name: nameOf(product), contenders: [own[at].contender(product, leastMs), ...rivals] };
      }),
    );
    const results = await hold([...limitContests, ...productContests], repeats, onProgress, signal);
    const limits = trials.map((trial) => {
      const count = trial.contests.length;
      return trial.limits(results.splice(0, count));
    });
    const rows = devices.flatMap(({ threads }, at) =>
      products.map((product): Row => {
        const work = workOf(product);
        const result = figuresOf(results.shift());
        return {
          kind: "product",
          name: nameOf(product),
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

function nameOf(product: Product): string {
  return `${product.name} ${product.form} ${dimensions(product).join("x")}`;
}

/** Training steps and generation of all models, in turns with those who also train. */
async function measureModels(
  { repeats, quick, models, onProgress, signal }: BenchOptions,
  made: readonly GPT2[],
  limits: Limits,
  competitors: readonly Competitor[],
): Promise<Row[]> {
  const contests: Contest[] = [];
  const facts: Omit<Row, "ours" | "peers">[] = [];
  const trainers = made.map((model) => new Trainer(model));
  for (const [at, model] of made.entries()) {
    const { config } = model;
    for (const { B, T } of batchesOf(models[at], quick)) {
      const name = `${models[at]} training step, B=${B} T=${T}`;
      const rivals = competitors.flatMap(({ step }) => step?.(config, B, T) ?? []);
      contests.push({ name, contenders: [trainingContender(trainers[at], B, T), ...rivals] });
      const work = neededWork(callsOfStep(config, B, T), limits);
      facts.push({ kind: "step", name, threads: limits.threads, tokens: B * T, ...work });
    }
    for (const weights of ["f32", "bf16"] as const) {
      const name = `${models[at]} one token written${weights === "bf16" ? ", weights in bfloat16" : ""}`;
      const writer = weights === "f32" ? model : await GPT2.create(config, { backend: model.backend, weights });
      contests.push({ name, contenders: [generationContender(writer)] });
      const work = neededWork(callsOfToken(config, weights), limits);
      facts.push({ kind: "generation", name, threads: limits.threads, tokens: 1, ...work });
    }
  }
  const results = await hold(contests, repeats, onProgress, signal);
  for (const trainer of trainers) await trainer.dispose();
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
