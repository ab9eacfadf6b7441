import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Exercise } from "../../learn/exercise.ts";
import { fastExercise, measuredArguments, slowLines } from "../../learn/fast-exercise.ts";
import { judge, type Outcome, type Problem } from "../../learn/judge.ts";
import { layerExercises } from "../../learn/source.ts";
import { trainExercise, withTrainCase } from "../../learn/train-exercise.ts";
import { type Exercises, exists, isUntouched } from "./files.ts";
import { runExercise } from "./run-exercise.ts";
import type { Report, Task } from "./worker-task.ts";

/** The state of one exercise. */
export type Verdict = { readonly id: string; readonly title: string; readonly file: string } & (
  | { readonly state: "right"; readonly times?: number }
  | { readonly state: "untouched" }
  | ({ readonly state: "wrong"; readonly where?: string; readonly loading?: true } & Problem)
);

/** Checks the exercises in order, up to the first that is not right. */
export async function* check(given: Exercises): AsyncGenerator<Verdict> {
  for (const exercise of [...layerExercises, trainExercise, fastExercise]) {
    const file = join(given.folder, `${exercise.id}.${given.language}`);
    const about = { id: exercise.id, title: exercise.title, file };
    const verdict = { ...about, ...(await verdictOn(given, exercise, file)) };
    yield verdict;
    if (verdict.state !== "right") return;
  }
}

type State =
  | { readonly state: "right"; readonly times?: number }
  | { readonly state: "untouched" }
  | ({ readonly state: "wrong"; readonly where?: string; readonly loading?: true } & Problem);

async function verdictOn(given: Exercises, exercise: Exercise | typeof trainExercise, file: string): Promise<State> {
  if (!(await exists(file)))
    return { state: "wrong", what: "the file is missing: llm-ts learn with the folder writes it again" };
  if (exercise !== fastExercise && (await isUntouched(given, exercise.id))) return { state: "untouched" };
  if (!("cases" in exercise)) return checkTraining(file);
  const problem = await checkCases(exercise, file);
  if (problem || exercise !== fastExercise) return problem ?? { state: "right" };
  let times: number | undefined;
  const failure = await runTask(
    file,
    exercise.name,
    { kind: "measure", args: measuredArguments(), slow: slowLines.join("\n") },
    (report) => {
      if (report.type === "speed") times = report.times;
    },
    120,
  );
  return failure ?? { state: "right", times };
}

async function checkCases(exercise: Exercise, file: string): Promise<State | undefined> {
  const cases = exercise.cases();
  const outcomes: Outcome[] = [];
  const task = {
    kind: "calls",
    calls: cases.map(({ args }) => args),
    parameters: exercise.parameters.map(({ name }) => name),
    results: Object.keys(exercise.results),
  } as const;
  const failure = await runTask(file, exercise.name, task, (report) => {
    if (report.type === "outcome") outcomes.push(report.outcome);
  });
  for (const [i, outcome] of outcomes.entries()) {
    const problem = judge(exercise, cases[i], outcome);
    if (problem) return { state: "wrong", where: cases[i].what, ...problem };
  }
  return failure?.loading ? failure : failure && { ...failure, where: cases[outcomes.length]?.what };
}

function checkTraining(file: string): Promise<State> {
  return withTrainCase(async ({ weights, tokens, targets, sizes, judge: judgeResults }) => {
    let outcome: Outcome | undefined;
    const task = { kind: "gradients", weights, tokens, targets, sizes } as const;
    const failure = await runTask(file, trainExercise.name, task, (report) => {
      if (report.type === "outcome") outcome = report.outcome;
    });
    if (failure || !outcome) return failure ?? { state: "wrong", what: "it returned nothing" };
    const numbers = new Map<string, Float64Array>();
    for (const [name, value] of Object.entries(outcome.results)) {
      if (typeof value === "string")
        return {
          state: "wrong",
          what: `${name === "loss" ? "loss" : `grads["${name}"]`} is ${value}, expected numbers`,
        };
      numbers.set(name, value);
    }
    const problem = await judgeResults(numbers);
    return problem ? { state: "wrong", ...problem } : { state: "right" };
  });
}

/** Runs a task; returns what is wrong if it fails. */
async function runTask(
  file: string,
  name: string,
  task: Task,
  onReport: (report: Report) => void,
  seconds?: number,
): Promise<Extract<State, { state: "wrong" }> | undefined> {
  let failure: Extract<State, { state: "wrong" }> | undefined;
  const input = { url: pathToFileURL(resolve(file)).href, name, task };
  const heard = (report: Report) => {
    if (report.type === "failed")
      failure = {
        ...{ state: "wrong", what: `${report.message}${report.line ? ` (line ${report.line})` : ""}` },
        ...(report.loading && { loading: true }),
      };
    else onReport(report);
  };
  await runExercise(input, heard, { seconds });
  return failure;
}
