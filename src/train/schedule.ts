/** How the learning rate moves over a run. */
export interface ScheduleOptions {
  /** `constant` (the default), or `cosine`: half a cosine wave down to `finalFraction` of the peak. */
  readonly schedule?: "constant" | "cosine";
  /** Updates over which the rate first rises in equal steps to its peak; default 0. */
  readonly warmupSteps?: number;
  /** What `cosine` ends on, as a fraction of the peak; default 0. */
  readonly finalFraction?: number;
}

/** The learning rate of update number `step` of `steps`, from 0. As llm.c's `get_learning_rate`. */
export function learningRateAt(
  step: number,
  steps: number,
  peak: number,
  { schedule = "constant", warmupSteps = 0, finalFraction = 0 }: ScheduleOptions = {},
): number {
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  if (schedule === "constant") return peak;
  // The rate stays on its last value when a run goes on past the planned steps.
  const done = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
  const share = 0.5 * (1 + Math.cos(Math.PI * done));
  return peak * (finalFraction + share * (1 - finalFraction));
}
