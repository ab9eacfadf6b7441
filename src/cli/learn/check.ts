import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fastExercise } from "../../learn/fast-exercise.ts";
import { trainExercise } from "../../learn/train-exercise.ts";
import { type Judgement, judgedExercises, verdictOn } from "../../learn/verdict.ts";
import { suggestion } from "../suggest.ts";
import { type Exercises, exists, isUntouched } from "./files.ts";
import { runExercise } from "./run-exercise.ts";

/** The state of one exercise. */
export type Verdict = { readonly id: string; readonly title: string; readonly file: string } & State;

type State = Judgement | { readonly state: "untouched" };

/** Checks those that were worked on, in order, up to the first that is wrong. Where none is, the first untouched one comes last. */
export async function* check(given: Exercises): AsyncGenerator<Verdict> {
  let next: Verdict | undefined;
  for (const exercise of judgedExercises) {
    const file = join(given.folder, `${exercise.id}.${given.language}`);
    const about = { id: exercise.id, title: exercise.title, file };
    const state = await stateOf(given, exercise, file, next === undefined);
    if (state.state === "untouched") next ??= { ...about, ...state };
    else yield { ...about, ...state };
    if (state.state === "wrong") return;
  }
  if (next) yield next;
}

/** `areOthersDone`: none before it is untouched. The whole model needs them; the fast matmul is right from the start, and slow. */
async function stateOf(
  given: Exercises,
  exercise: (typeof judgedExercises)[number],
  file: string,
  areOthersDone: boolean,
): Promise<State> {
  if (!(await exists(file)))
    return {
      state: "wrong",
      what: `the file is missing. ${suggestion("learn", given.folder)} writes it again`,
    };
  const untouched = await isUntouched(given, exercise.id);
  const waits = !areOthersDone && (untouched || exercise === trainExercise);
  if (waits || (untouched && exercise !== fastExercise)) return { state: "untouched" };
  const url = pathToFileURL(resolve(file)).href;
  return verdictOn(exercise, (task, onReport, seconds) =>
    runExercise({ url, name: exercise.name, task }, onReport, seconds),
  );
}
