/**
 * Fair measurement on a machine that drifts: everything compared runs interleaved, round by round, and the median of the
 * rounds is reported.
 */
import { type Figure, type Problem, problemOf } from "./report.ts";

/** A measurable workload of llm.ts or a peer. */
export interface Runner {
  readonly name: string;
  /** Run before the first round. */
  readonly warmUp?: () => Promise<void>;
  /** Milliseconds of one repetition. */
  readonly measure: () => Promise<number>;
  /** A failure of a peer is reported in its figure; any other failure ends the benchmark. */
  readonly isPeer?: boolean;
}

export interface Comparison {
  readonly name: string;
  readonly runners: readonly Runner[];
}

/** Figures of one comparison by the runner's name. */
export type Result = ReadonlyMap<string, Figure | Problem>;

/** Measures all runners in turns. `onProgress` gets what is measured next and the fraction done. */
export async function runInterleaved(
  comparisons: readonly Comparison[],
  rounds: number,
  onProgress: (what: string, share: number) => void,
  signal?: AbortSignal,
): Promise<Result[]> {
  const entries = comparisons.map(({ name, runners }) => ({
    name,
    states: runners.map((runner) => new RunnerState(runner)),
  }));
  const turns = entries.length * (rounds + 1);
  let turn = 0;
  for (let round = 0; round <= rounds; round++) {
    for (const { name, states } of entries) {
      for (const state of states) {
        signal?.throwIfAborted();
        onProgress(`${name}: ${state.name}`, turn / turns);
        await state.run(round);
      }
      turn++;
    }
  }
  return entries.map(({ states }) => new Map(states.map((state) => [state.name, state.result])));
}

class RunnerState {
  readonly #runner: Runner;
  readonly #samples: number[] = [];
  #problem: Problem | undefined;

  constructor(runner: Runner) {
    this.#runner = runner;
  }

  get name(): string {
    return this.#runner.name;
  }

  /** Warms up in round 0, measures in the others. */
  async run(round: number): Promise<void> {
    if (this.#problem) return;
    try {
      if (round === 0) await this.#runner.warmUp?.();
      else this.#samples.push(await this.#runner.measure());
    } catch (error) {
      if (!this.#runner.isPeer) throw error;
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
 * A runner of something short: repeats it so often that a measurement takes `minMs`; the warm-up finds how often. `run`
 * resolves after `times` repetitions.
 */
export function repeated(
  name: string,
  minMs: number,
  run: (times: number) => void | Promise<void>,
): Pick<Runner, "name" | "warmUp" | "measure"> {
  let times = 1;
  const time = async () => {
    const start = performance.now();
    await run(times);
    return performance.now() - start;
  };
  return {
    name,
    async warmUp() {
      for (let ms = await time(); ms < minMs; ms = await time())
        times = Math.ceil(times * Math.min(10, Math.max(1.2, (1.1 * minMs) / Math.max(ms, 0.01))));
    },
    // Once unmeasured: parked threads may wake on one core, and take some milliseconds to spread.
    measure: async () => {
      await time();
      return (await time()) / times;
    },
  };
}
