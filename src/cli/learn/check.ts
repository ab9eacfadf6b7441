import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fastExercise } from "../../learn/fast-exercise.ts";
import { type Judgement, judgedExercises, verdictOn } from "../../learn/verdict.ts";
import { suggestion } from "../suggest.ts";
import { type Exercises, exists, isUntouched } from "./files.ts";
import { runExercise } from "./run-exercise.ts";

/** The state of one exercise. */
export type Verdict = { readonly id: string; readonly title: string; readonly file: string } & State;

type State = Judgement | { readonly state: "untouched" };

/** Checks the exercises in order, up to the first that is not right. */
export async function* check(given: Exercises): AsyncGenerator<Verdict> {
  for (const exercise of judgedExercises) {
    const file = join(given.folder, `${exercise.id}.${given.language}`);
    const about = { id: exercise.id, title: exercise.title, file };
    const verdict = { ...about, ...(await stateOf(given, exercise, file)) };
    yield verdict;
    if (verdict.state !== "right") return;
  }
}

async function stateOf(given: Exercises, exercise: (typeof judgedExercises)[number], file: string): Promise<State> {
  if (!(await exists(file)))
    return {
      state: "wrong",
      what: `the file is missing. ${suggestion("learn", given.folder)} writes it again`,
    };
  if (exercise !== fastExercise && (await isUntouched(given, exercise.id))) return { state: "untouched" };
  const url = pathToFileURL(resolve(file)).href;
  return verdictOn(exercise, (task, onReport, seconds) =>
    runExercise({ url, name: exercise.name, task }, onReport, seconds),
  );
}
