import { expect, test } from "vitest";
import { fastExercise, measured, slowLines } from "./fast-exercise.ts";
import { type Callable, runTask } from "./run-task.ts";
import { type RunTask, verdictOn } from "./verdict.ts";

const matmul = new Function("inp", "weight", "bias", "N", "C", "OC", slowLines.join("\n")) as Callable;

/** Without the measurement's slow function, which takes seconds: how fast a wrong result comes does not matter. */
const runHere =
  (call: Callable): RunTask =>
  (task, onReport) =>
    runTask(task.kind === "measure" ? { ...task, slow: "" } : task, call, onReport);

test("a fast matmul that is wrong at the measured size is found", async () => {
  const wrongThere: Callable = (...args) => {
    const [, , , N, , OC] = args as number[];
    return N === measured.N ? new Float32Array(N * OC) : matmul(...args);
  };
  const verdict = await verdictOn(fastExercise, runHere(wrongThere));
  expect(verdict).toMatchObject({ state: "wrong", where: `N ${measured.N}, C ${measured.C}, OC ${measured.OC}` });
});
