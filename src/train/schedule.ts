/** Learning rate schedules, by llm.c's names and formulas (llmc/schedulers.h). */
import { UsageError } from "../errors.ts";
import { complete, type TrainSettings, trainOptions } from "./settings.ts";

export const scheduleNames = trainOptions.schedule.values;
export type ScheduleName = TrainSettings["schedule"];

export interface ScheduleOptions extends Partial<Pick<TrainSettings, "schedule" | "warmupSteps" | "finalFraction">> {}

/** Decay factor between peak (1) and final rate (0), after the fraction `done` of the decay. */
const shares: Record<ScheduleName, (done: number) => number> = {
  constant: () => 1,
  cosine: (done) => 0.5 * (1 + Math.cos(Math.PI * done)),
  linear: (done) => 1 - done,
  wsd: (done) => 1 - Math.sqrt(done),
};

/** The learning rate of update number `step` of `steps`, from 0. As llm.c's `get_learning_rate`. */
export function learningRateAt(step: number, steps: number, peak: number, options: ScheduleOptions = {}): number {
  const { schedule, warmupSteps, finalFraction } = complete(["schedule", "warmupSteps", "finalFraction"], options);
  if (schedule !== "constant" && step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  if (!Object.hasOwn(shares, schedule))
    throw new UsageError(`There is no schedule "${schedule}". Choose one of ${scheduleNames.join(", ")}.`);
  const fall = schedule === "wsd" ? decayPoint(steps) : warmupSteps;
  // Before the fall the rate is the peak; after the planned steps it stays on its last value.
  const done = Math.min(1, Math.max(0, step - fall) / Math.max(1, steps - fall));
  const final = peak * finalFraction;
  return final + shares[schedule](done) * (peak - final);
}

/** First update of the decay of `wsd`; llm.c computes it in single precision. */
function decayPoint(steps: number): number {
  return Math.trunc(Math.fround(Math.fround(0.8) * steps));
}
