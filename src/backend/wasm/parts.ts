/** Numbers of parts that commands are computed in. */
import { EVERY_WORKER, MAX_PARTS } from "./protocol.ts";

/** The work of a command, or `EVERY_WORKER` for one that each worker runs once. */
export type Work = Shares | typeof EVERY_WORKER;

interface Shares {
  /** Units of output (rows, heads, lines of elements) that are never divided, hence the largest number of parts. */
  readonly units: number;
  /** Estimated time of all of them on one thread, in nanoseconds. Affects speed only. */
  readonly ns: number;
}

/** A part below this is not worth the claim of another thread. */
const SMALLEST_NS = 1_000;
/** Parts for each thread, where they are longer than FINE_NS: a thread of half the speed then costs a few percent. */
const PER_THREAD = 16;
const FINE_NS = 10_000;

/** Where parts cannot be of equal size, as few as this share of the finest division will do. */
const COARSER = 0.7;

/** One claim is cheap, dividing small work is not: first a part for each thread, then several as the work permits. */
export function partsOf(work: Work, threads: number): number {
  if (work === EVERY_WORKER) return EVERY_WORKER;
  const { units, ns } = work;
  if (threads === 1) return 1;
  const perThread = Math.min(PER_THREAD, Math.max(1, Math.floor(ns / threads / FINE_NS)));
  const most = Math.max(1, Math.min(threads * perThread, Math.floor(ns / SMALLEST_NS), units, MAX_PARTS));
  let best = most;
  for (let parts = most - 1; parts >= COARSER * most; parts--)
    if (longest(units, parts, threads) < longest(units, best, threads)) best = parts;
  return best;
}

/** Most units that a thread computes if all are equally fast and all parts as large as the largest. */
function longest(units: number, parts: number, threads: number): number {
  return Math.ceil(parts / threads) * Math.ceil(units / parts);
}

/** Elements that no two parts share a cache line of. */
const LINE = 16;

/** `n` elements, at `ns` nanoseconds each. */
export function elements(n: number, ns: number): Shares {
  return { units: Math.ceil(n / LINE), ns: n * ns };
}

/** `n` rows or other units, at `ns` nanoseconds each. */
export function units(n: number, ns: number): Shares {
  return { units: n, ns: n * ns };
}

/** Work that is not divided. */
export const undivided: Shares = { units: 1, ns: 0 };
