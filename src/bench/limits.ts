/** Limits of the machine, by the probes of its backend. */
import type { Backend, Probe } from "../backend/backend.ts";
import { type Comparison, type Result, type Runner, repeated } from "./comparison.ts";
import { isFigure, type Limits } from "./report.ts";

/** Measurements of each limit in a round. */
const TRIES = 5;

/** A backend with probes of its device. */
export type MeasuredBackend = Backend & Required<Pick<Backend, "probes">>;

export function isMeasured(backend: Backend): backend is MeasuredBackend {
  return backend.probes !== undefined;
}

export interface LimitsTrial {
  readonly comparisons: readonly Comparison[];
  /** The limits, from the results of `comparisons` in order. */
  limits(results: readonly Result[]): Limits;
  free(): Promise<void>;
}

export async function limitsTrial(device: MeasuredBackend, minMs: number): Promise<LimitsTrial> {
  const probes = await device.probes();
  return {
    comparisons: probes.all.map((probe) => ({
      name: `limits, ${device.device}, ${probe.name}`,
      runners: [runnerOf(probe, device, minMs)],
    })),
    limits: (results) => limitsOf(device.threads, probes.all, results.map(msOf)),
    free: () => probes.free(),
  };
}

function runnerOf(probe: Probe, device: Backend, minMs: number): Runner {
  const { name, warmUp, measure } = repeated("llm.ts", minMs, async (times) => {
    for (let i = 0; i < times; i++) probe.run();
    await device.sync();
  });
  return { name, warmUp, measure: () => bestOf(TRIES, measure) };
}

/** The limits, from the milliseconds of one run of each probe. The best of several probes of one limit counts. */
export function limitsOf(threads: number, probes: readonly Omit<Probe, "run">[], ms: readonly number[]): Limits {
  const perMs = (limit: Probe["limit"]) =>
    Math.max(...probes.map((probe, at) => (probe.limit === limit ? probe.work / ms[at] : 0)));
  const limits = {
    threads,
    gflops: perMs("fma") / 1e6,
    copy: perMs("copy") / 1e6,
    triad: perMs("triad") / 1e6,
    read: perMs("read") / 1e6,
  };
  if (!probes.some(({ limit }) => limit === "dispatch")) return limits;
  return { ...limits, dispatchUs: 1000 / perMs("dispatch"), submitUs: 1000 / perMs("submit") };
}

async function bestOf(tries: number, measure: () => Promise<number>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries; i++) best = Math.min(best, await measure());
  return best;
}

/** The best round, not the median: a limit is what was reached once. */
function msOf(result: Result): number {
  const figure = result.get("llm.ts");
  return isFigure(figure) ? Math.min(...figure.samples) : Number.NaN;
}

/** Highest memory bandwidth of all access patterns, in GB/s: the one that floors assume. */
export function bandwidth({ copy, triad, read }: Limits): number {
  return Math.max(copy, triad, read);
}

/** Milliseconds of `work` at the limits, with arithmetic and memory access fully overlapped. */
export function floorMs(limits: Limits, { flops, bytes }: { readonly flops: number; readonly bytes: number }): number {
  return Math.max(flops / limits.gflops, bytes / bandwidth(limits)) / 1e6;
}
