/** The time budget of a run: how much of it is spent, whether another update fits, and what it leaves for the run's end. */
import { UsageError } from "../errors.ts";
import type { Group } from "../group/group.ts";
import { inRank0 } from "../group/together.ts";

/** Milliseconds for a parameter of a checkpoint, 12 bytes, until one was written: at 100 MB a second. */
const checkpointMs = 12 / 1e5;
/** Estimates follow what got slower at once, and what got faster by so much a time. */
const decay = 0.9;

/** What a budget depends on. */
export interface BudgetPlan {
  readonly minutes: number;
  /** Batches of an update, and of the last validation; 0: there is none. */
  readonly accumulate: number;
  readonly finalBatches: number;
  /** Of the model that the last checkpoint holds; 0: there is none. */
  readonly savedParameters: number;
}

/** Work that is due before the next update. */
export interface Due {
  /** Batches of a validation. */
  readonly val: number;
  readonly sample: boolean;
  readonly checkpoint: boolean;
}

/** Where a run stands in its budget. */
export interface Turn {
  /** Share of the time for updates that will have passed when the next one is made, 0 to 1. */
  readonly share: number;
  /** True if no other update fits, with what is due before it and the end of the run after it. */
  readonly isOver: boolean;
  /** Batches of the last validation: as planned, or as many as a tenth of the run's time allows. */
  readonly finalBatches: number;
}

/**
 * Counts everything from the beginning of a run to its last checkpoint: updates, validations, samples and checkpoints, of
 * all starts of a run that was resumed. The end is estimated by what was measured before.
 */
export class TimeBudget {
  readonly #plan: BudgetPlan;
  readonly #group: Group;
  readonly #spent: () => number;
  /** Milliseconds by kind, a validation's by its batches; undefined before the first. */
  readonly #ms: Partial<Record<"step" | "val" | "sample" | "checkpoint", number>> = {};

  /** `spent`: milliseconds since the run's beginning; rank 0's count. */
  constructor(plan: BudgetPlan, group: Group, spent: () => number) {
    this.#plan = plan;
    this.#group = group;
    this.#spent = spent;
  }

  /** Notes how long something took: a validation, by its batch. */
  took(what: "step" | "val" | "sample" | "checkpoint", ms: number): void {
    this.#ms[what] = Math.max(ms, decay * (this.#ms[what] ?? 0));
  }

  /**
   * Where the run stands after `step` updates, the same in all members. UsageError, in all, where the first update of a run took
   * more than all of its time; `isResumed`: it had more before.
   */
  turn(step: number, isResumed: boolean, due: Due): Promise<Turn> {
    return inRank0(this.#group, async () => this.#ownTurn(step, isResumed, due));
  }

  #ownTurn(step: number, isResumed: boolean, due: Due): Turn {
    const { minutes, accumulate, savedParameters } = this.#plan;
    const total = minutes * 60_000;
    const spent = this.#spent();
    const stepMs = this.#ms.step ?? (step > 0 ? spent / step : 0);
    // A forward pass takes about a third of an update.
    const valMs = this.#ms.val ?? stepMs / (2 * accumulate);
    const saveMs = savedParameters > 0 ? (this.#ms.checkpoint ?? checkpointMs * savedParameters) : 0;
    const finalBatches = Math.min(this.#plan.finalBatches, Math.max(1, Math.floor(total / 10 / valMs)));
    const end = finalBatches * valMs + saveMs;
    if (step === 1 && !isResumed && spent > total) throw tooShort(minutes, spent, end);
    const before = due.val * valMs + (due.sample ? (this.#ms.sample ?? 0) : 0) + (due.checkpoint ? saveMs : 0);
    const share = Math.min(1, (spent + before + stepMs) / Math.max(1, total - end));
    return { share, isOver: step > 0 && spent + before + stepMs + end > total, finalBatches };
  }
}

function tooShort(minutes: number, spent: number, end: number): UsageError {
  const seconds = (ms: number) => `${Number((ms / 1000).toPrecision(2))} s`;
  const least = Number(((1.5 * (spent + end)) / 60_000).toPrecision(2));
  return new UsageError(
    `The first update, with the validation before it, took ${seconds(spent)}, and the whole run has ${minutes} minutes ` +
      `(${seconds(minutes * 60_000)}). Give it ${least} minutes or more, a smaller batch or model, or shorter validations.`,
  );
}
