import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { platform } from "#platform";
import { GPT2 } from "../../api/gpt2.ts";
import { TokenLoader } from "../../data/loader.ts";
import { InputError } from "../../errors.ts";
import type { Report, Task } from "../../learn/task.ts";
import { trainExercise } from "../../learn/train-exercise.ts";
import { parametersOf } from "../../model/parameters.ts";
import { Interrupt } from "../interrupt.ts";
import { outliveOutput, outputProblem, print, say } from "../output.ts";
import { suggestion } from "../suggest.ts";
import { defaultData } from "../train/default-data.ts";
import { check } from "./check.ts";
import type { Exercises } from "./files.ts";
import { runExercise } from "./run-exercise.ts";

/** Sequences in a batch: few, since plain loops take seconds for them. */
const B = 4;
const usualSteps = 100;

/** Trains the small model with the reader's functions, saves it, and prints a text by it. */
export async function trainWithExercises(given: Exercises, steps = usualSteps): Promise<void> {
  await requireLayers(given);
  const interrupt = new Interrupt();
  const choice = await defaultData("char", () => {});
  const model = await GPT2.create("baby", { tokenizer: choice.tokenizer, backend: "reference" });
  try {
    const { config, backend, parameters } = model;
    const { L, NH, C, V, Vp, maxT } = config;
    const weights: Record<string, Float32Array> = {};
    const places: { key: string; name: ReturnType<typeof parametersOf>[number]["name"]; start: number }[] = [];
    for (const { name, count, size, perLayer } of parametersOf(config))
      for (let l = 0; l < count; l++) {
        const [key, start] = [perLayer ? `h.${l}.${name}` : name, (l * size) / count];
        places.push({ key, name, start });
        weights[key] = await parameters.weights.read(backend, name, start, size / count);
      }
    say(
      `${steps} steps of ${B} x ${maxT} characters, with your own functions. Ctrl-C ends it after the step and saves.`,
    );
    const data = await charactersOf(choice.train, V);
    const stop = new Int32Array(new SharedArrayBuffer(4));
    interrupt.finishFirst(() => {
      Atomics.store(stop, 0, 1);
      say("Ending after this step. Ctrl-C again: at once, without it.");
    });
    const path = await freeFile(given.folder);
    outliveOutput((problem) => say(`${problem}: the training continues, and saves ${path}`));
    const sizes = { B, T: maxT, L, NH, C, V, Vp, maxT };
    for await (const { step, weights: trained } of train(given, { weights, data, sizes, steps, stop })) {
      for (const { key, name, start } of places) await parameters.weights.write(backend, name, start, trained[key]);
      await model.save(path);
      say(`Saved ${path} after ${step} ${step === 1 ? "step" : "steps"}.`);
    }
    say(`It writes: ${suggestion("generate", "ROMEO:", "--model", path)}`);
    if (interrupt.exitCode !== undefined) process.exitCode = interrupt.exitCode;
    else if (outputProblem() !== undefined) process.exitCode = 1;
  } finally {
    await model.dispose();
    interrupt.dispose();
  }
}

/** mine.bin, or mine-2.bin and so on, where an earlier training is kept. */
async function freeFile(folder: string): Promise<string> {
  for (let number = 1; ; number++) {
    const path = join(folder, number === 1 ? "mine.bin" : `mine-${number}.bin`);
    if ((await platform.pathKind(path)) === undefined) return path;
  }
}

async function requireLayers(given: Exercises): Promise<void> {
  for await (const { id, state } of check(given)) {
    if (state !== "right")
      throw new InputError(
        `${id} is not right yet, and training needs it: ${suggestion("learn", given.folder, "--check")}`,
      );
    if (id === trainExercise.id) return;
  }
}

/** The first million tokens of the training data. */
async function charactersOf(path: string, V: number): Promise<Int32Array> {
  const loader = await TokenLoader.open(path, { B: 1, T: 1 << 19, V, masked: false });
  try {
    return (await loader.next()).inputs;
  } finally {
    await loader.close();
  }
}

/** The weights, now and then and at the end. InputError where a function fails: what came before is complete. */
async function* train(
  { folder, language }: Exercises,
  start: Omit<Extract<Task, { kind: "train" }>, "kind">,
): AsyncGenerator<Extract<Report, { type: "trained" }>> {
  const urlOf = (id: string) => pathToFileURL(resolve(folder, `${id}.${language}`)).href;
  const input = {
    url: urlOf(trainExercise.id),
    name: trainExercise.name,
    adamw: urlOf("14-adamw"),
    task: { kind: "train", ...start },
  } as const;
  const results: Extract<Report, { type: "trained" }>[] = [];
  let problem: string | undefined;
  let wake = () => {};
  let hasEnded = false;
  const ended = runExercise(
    input,
    (report) => {
      if (report.type === "step") void print(`step ${report.step}/${start.steps}: loss ${report.loss.toFixed(4)}\n`);
      if (report.type === "trained") results.push(report);
      if (report.type === "failed") problem = report.message;
      wake();
    },
    Number.POSITIVE_INFINITY,
  ).finally(() => {
    hasEnded = true;
    wake();
  });
  for (;;) {
    const latest = results.splice(0).at(-1);
    if (latest) yield latest;
    else if (hasEnded) break;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
  await ended;
  if (problem !== undefined)
    throw new InputError(`Training with the functions in ${folder} failed: ${problem.replace(/[.]$/, "")}.`);
}
