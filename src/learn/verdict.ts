/** The verdict on one exercise: runs a reader's function on all cases and judges what it returns. */
import type { Exercise } from "./exercise.ts";
import { fastExercise, measuredCase, slowLines } from "./fast-exercise.ts";
import { judge, type Outcome, type Problem } from "./judge.ts";
import { layerExercises } from "./source.ts";
import type { Report, Task } from "./task.ts";
import { withTrainCase } from "./train-case.ts";
import { trainExercise } from "./train-exercise.ts";

/** `where`: the sizes of the case. `loading`: the file could not be read as code. */
export type Wrong = { readonly state: "wrong"; readonly where?: string; readonly loading?: true } & Problem;

/** `times`: of the fast matmul, how many times as fast it is as the slow one. */
export type Judgement = { readonly state: "right"; readonly times?: number } | Wrong;

/** All exercises in order. */
export const judgedExercises = [...layerExercises, trainExercise, fastExercise] as const;

/**
 * Runs a task with the exercise's function, elsewhere: on a thread that can be ended. Its reports end with `done` or `failed`.
 * `seconds`: the longest time that it may take.
 */
export type RunTask = (task: Task, onReport: (report: Report) => void, seconds: number) => Promise<void>;

/** Longest time that the small cases of an exercise may take: they take a millisecond. */
const mostSeconds = 10;
/** Longest time of the measurement of the fast matmul, whose slow one takes seconds. */
const mostSecondsMeasured = 120;

export async function verdictOn(exercise: (typeof judgedExercises)[number], run: RunTask): Promise<Judgement> {
  if (!("cases" in exercise)) return onTraining(run);
  const problem = await onCases(exercise, run);
  if (problem || exercise !== fastExercise) return problem ?? { state: "right" };
  return onMeasured(run);
}

/** The fast matmul at its measured size: its result there, and how fast it is. */
async function onMeasured(run: RunTask): Promise<Judgement> {
  const measured = measuredCase();
  const task = { kind: "measure", args: measured.args, slow: slowLines.join("\n"), ...namesOf(fastExercise) } as const;
  let times: number | undefined;
  let outcome: Outcome | undefined;
  const failure = await failureOf(run, task, mostSecondsMeasured, (report) => {
    if (report.type === "outcome") outcome = report.outcome;
    if (report.type === "speed") times = report.times;
  });
  // Mistakes in the formula were found at small sizes; to try them all takes seconds here.
  const problem = failure ?? (outcome && judge(fastExercise, measured, outcome, () => undefined));
  return problem ? { state: "wrong", where: measured.what, ...problem } : { state: "right", times };
}

/** Names of a function's parameters and results. */
const namesOf = ({ parameters, results }: Exercise) => ({
  parameters: parameters.map(({ name }) => name),
  results: Object.keys(results),
});

async function onCases(exercise: Exercise, run: RunTask): Promise<Wrong | undefined> {
  const cases = exercise.cases();
  const outcomes: Outcome[] = [];
  const task = {
    kind: "calls",
    calls: cases.map(({ args }) => args),
    ...namesOf(exercise),
  } as const;
  const failure = await failureOf(run, task, mostSeconds, (report) => {
    if (report.type === "outcome") outcomes.push(report.outcome);
  });
  for (const [i, outcome] of outcomes.entries()) {
    const problem = judge(exercise, cases[i], outcome);
    if (problem) return { state: "wrong", where: cases[i].what, ...problem };
  }
  return failure?.loading ? failure : failure && { ...failure, where: cases[outcomes.length]?.what };
}

function onTraining(run: RunTask): Promise<Judgement> {
  return withTrainCase(async ({ weights, tokens, targets, sizes, judge: judgeResults }) => {
    let outcome: Outcome | undefined;
    const task = { kind: "gradients", weights, tokens, targets, sizes } as const;
    const failure = await failureOf(run, task, mostSeconds, (report) => {
      if (report.type === "outcome") outcome = report.outcome;
    });
    if (failure || !outcome) return failure ?? { state: "wrong", what: "it returned nothing" };
    const numbers = new Map<string, Float64Array>();
    for (const [name, value] of Object.entries(outcome.results)) {
      if (typeof value === "string") {
        const called = name === "loss" ? "loss" : `grads["${name}"]`;
        return { state: "wrong", what: `${called} is ${value}, expected numbers` };
      }
      numbers.set(name, value);
    }
    const problem = await judgeResults(numbers);
    return problem ? { state: "wrong", ...problem } : { state: "right" };
  });
}

/** Runs a task; resolves to what is wrong if it fails. */
async function failureOf(
  run: RunTask,
  task: Task,
  seconds: number,
  onReport: (report: Report) => void,
): Promise<Wrong | undefined> {
  let failure: Wrong | undefined;
  await run(
    task,
    (report) => {
      if (report.type !== "failed") return onReport(report);
      const { message, line, loading } = report;
      failure = { state: "wrong", what: `${message}${line ? ` (line ${line})` : ""}`, ...(loading && { loading }) };
    },
    seconds,
  );
  return failure;
}
