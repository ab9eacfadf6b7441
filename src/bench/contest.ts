/**
 * Measuring fairly: machines drift, so whoever is compared takes turns, round by round, and the median of the rounds
 * counts.
 */
import { type Figure, type Problem, problemOf } from "./report.ts";

/** Someone who can be measured: gives the milliseconds of one time. */
export interface Contender {
  readonly name: string;
  /** Before the first round: whatever is slow only once. */
  readonly warmUp?: () => Promise<void>;
  readonly measure: () => Promise<number>;
  /** May fail: its figure then says why, and the others go on. Without it a failure ends the benchmark. */
  readonly isPeer?: boolean;
}

export interface Contest {
  readonly name: string;
  readonly contenders: readonly Contender[];
}

/** The figures of one contest, by the contender's name. */
export type Result = ReadonlyMap<string, Figure | Problem>;

/** Lets them all take turns. `onProgress` is told what is measured next, and the share that is done. */
export async function hold(
  contests: readonly Contest[],
  rounds: number,
  onProgress: (what: string, share: number) => void,
  signal?: AbortSignal,
): Promise<Result[]> {
  const entries = contests.map(({ name, contenders }) => ({
    name,
    entrants: contenders.map((contender) => new Entrant(contender)),
  }));
  const turns = entries.length * (rounds + 1);
  let turn = 0;
  for (let round = 0; round <= rounds; round++) {
    for (const { name, entrants } of entries) {
      for (const entrant of entrants) {
        signal?.throwIfAborted();
        onProgress(`${name}: ${entrant.name}`, turn / turns);
        await entrant.take(round);
      }
      turn++;
    }
  }
  return entries.map(({ entrants }) => new Map(entrants.map((entrant) => [entrant.name, entrant.result])));
}

class Entrant {
  readonly #contender: Contender;
  readonly #samples: number[] = [];
  #problem: Problem | undefined;

  constructor(contender: Contender) {
    this.#contender = contender;
  }

  get name(): string {
    return this.#contender.name;
  }

  /** Round 0 is the warm-up. */
  async take(round: number): Promise<void> {
    if (this.#problem) return;
    try {
      if (round === 0) await this.#contender.warmUp?.();
      else this.#samples.push(await this.#contender.measure());
    } catch (error) {
      if (!this.#contender.isPeer) throw error;
      this.#problem = problemOf(error);
    }
  }

  get result(): Figure | Problem {
    return this.#problem ?? { ms: median(this.#samples), samples: this.#samples };
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * A contender for something short: so many times in a row that it takes `leastMs`, which the warm-up finds out.
 * `run` does it `times` times and returns when all are done.
 */
export function repeated(
  name: string,
  leastMs: number,
  run: (times: number) => void | Promise<void>,
): Pick<Contender, "name" | "warmUp" | "measure"> {
  let times = 1;
  const time = async () => {
    const start = performance.now();
    await run(times);
    return performance.now() - start;
  };
  return {
    name,
    async warmUp() {
      for (let ms = await time(); ms < leastMs; ms = await time())
        times = Math.ceil(times * Math.min(10, Math.max(1.2, (1.1 * leastMs) / Math.max(ms, 0.01))));
    },
    // Once for nothing: threads that were asleep may start on one core, and take some milliseconds to spread.
    measure: async () => {
      await time();
      return (await time()) / times;
    },
  };
}
