/** Learning rate schedules, by llm.c's names and formulas (llmc/schedulers.h). */
import { shown, UsageError } from "../errors.ts";
import { requireOptions } from "../option-names.ts";
import { checkSettings } from "./checks.ts";
import { trainerOptions } from "./options.ts";
import { complete, type TrainSettings, trainOptions } from "./settings.ts";

export const scheduleNames = trainOptions.schedule.values;
export type ScheduleName = TrainSettings["schedule"];

export interface ScheduleOptions
  extends Partial<Pick<TrainSettings, "schedule" | "warmupSteps" | "warmupShare" | "finalFraction">> {}

/** Decay factor between peak (1) and final rate (0), after the fraction `done` of the decay. */
const shares: Record<ScheduleName, (done: number) => number> = {
  constant: () => 1,
  cosine: (done) => 0.5 * (1 + Math.cos(Math.PI * done)),
  linear: (done) => 1 - done,
  wsd: (done) => 1 - Math.sqrt(done),
};

/** The learning rate of update number `step` of `steps`, from 0. As llm.c's `get_learning_rate`. Takes a trainer's options as well. */
export function learningRateAt(step: number, steps: number, peak: number, options: ScheduleOptions = {}): number {
  requireOptions("learningRateAt", options, trainerOptions);
  for (const [name, value] of Object.entries({ step, steps, peak }))
    if (typeof value !== "number" || Number.isNaN(value))
      throw new UsageError(`${name} is ${shown(value)}, expected a number.`);
  checkSettings(options);
  const { schedule, warmupSteps, finalFraction } = complete(["schedule", "warmupSteps", "finalFraction"], options);
  if (schedule !== "constant" && step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const fall = schedule === "wsd" ? decayPoint(steps) : warmupSteps;
  // Before the fall the rate is the peak; after the planned steps it stays on its last value.
  const done = Math.min(1, Math.max(0, step - fall) / Math.max(1, steps - fall));
  const final = peak * finalFraction;
  return final + shares[schedule](done) * (peak - final);
}

/**
 * The learning rate of update number `step`, from 0, at which the share `passed` of a run's time has passed: the same curves over
 * the time. `warmupSteps` still counts updates, during which the rate rises from 0 to that of the time.
 */
export function learningRateInTime(passed: number, step: number, peak: number, options: ScheduleOptions = {}): number {
  const names = ["schedule", "warmupSteps", "warmupShare", "finalFraction"] as const;
  const { schedule, warmupSteps, warmupShare, finalFraction } = complete(names, options);
  if (schedule === "constant") return peak;
  const rise = warmupSteps > 0 ? 0 : warmupShare;
  if (passed < rise) return (peak * passed) / rise;
  const fall = schedule === "wsd" ? Math.max(0.8, rise) : rise;
  const done = Math.min(1, Math.max(0, passed - fall) / Math.max(Number.EPSILON, 1 - fall));
  const final = peak * finalFraction;
  const rate = final + shares[schedule](done) * (peak - final);
  return step < warmupSteps ? (rate * (step + 1)) / warmupSteps : rate;
}

/** First update of the decay of `wsd`; llm.c computes it in single precision. */
function decayPoint(steps: number): number {
  return Math.trunc(Math.fround(Math.fround(0.8) * steps));
}
