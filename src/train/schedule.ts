/** How the learning rate moves over a run, by llm.c's names and formulas (llmc/schedulers.h). */
export type ScheduleName = (typeof scheduleNames)[number];
export const scheduleNames = ["constant", "cosine", "linear", "wsd"] as const;

export interface ScheduleOptions {
  /**
   * `constant` (the default) is the peak throughout: as in llm.c, it has no warm-up. After the warm-up, `cosine` falls
   * along half a wave and `linear` along a line, until the last update; `wsd` (warm-up, stable, decay) stays on the peak
   * and falls in the run's last fifth, with one minus a square root (https://arxiv.org/abs/2405.18392).
   */
  readonly schedule?: ScheduleName;
  /** Updates over which the rate first rises in equal steps to its peak; default 0. */
  readonly warmupSteps?: number;
  /** What the rate falls to, as a fraction of the peak; default 0. */
  readonly finalFraction?: number;
}

/** What is left of the way from the peak down to the final rate, 1 to 0, after a share `done` of the way. */
const shares: Record<ScheduleName, (done: number) => number> = {
  constant: () => 1,
  cosine: (done) => 0.5 * (1 + Math.cos(Math.PI * done)),
  linear: (done) => 1 - done,
  wsd: (done) => 1 - Math.sqrt(done),
};

/** The learning rate of update number `step` of `steps`, from 0. As llm.c's `get_learning_rate`. */
export function learningRateAt(
  step: number,
  steps: number,
  peak: number,
  { schedule = "constant", warmupSteps = 0, finalFraction = 0 }: ScheduleOptions = {},
): number {
  if (schedule !== "constant" && step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const fall = schedule === "wsd" ? decayPoint(steps) : warmupSteps;
  // Before the fall the rate is the peak; after the planned steps it stays on its last value.
  const done = Math.min(1, Math.max(0, step - fall) / Math.max(1, steps - fall));
  const final = peak * finalFraction;
  return final + shares[schedule](done) * (peak - final);
}

/** Where `wsd` begins to fall; llm.c computes it in single precision. */
function decayPoint(steps: number): number {
  return Math.trunc(Math.fround(Math.fround(0.8) * steps));
}
