import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { InputError, UsageError } from "../../errors.ts";
import { fastExercise, goal } from "../../learn/fast-exercise.ts";
import { exercises } from "../../learn/source.ts";
import { paintFor } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { print } from "../output.ts";
import { asStarted, suggestion } from "../suggest.ts";
import { check, type Verdict } from "./check.ts";
import { type Exercises, findExercises, isUntouched, newLanguage, writeExercises } from "./files.ts";

/** The options of `llm-ts learn`. */
export interface LearnFlags {
  readonly check?: boolean;
  readonly watch?: boolean;
  /** true: the first. */
  readonly hint?: number | true;
  /** true: the usual number of steps. */
  readonly train?: number | true;
}

/** Writes, checks or trains with the exercises in a folder; exit code 1 where a check finds one that is not right. */
export async function runLearn(folder: string, flags: LearnFlags): Promise<void> {
  if (Object.keys(flags).length > 1) throw new UsageError("Choose one of --check, --watch, --hint and --train.");
  const found = await findExercises(folder);
  if (Object.keys(flags).length === 0) return begin(found ?? { folder, language: newLanguage });
  if (!found) throw new InputError(`${folder} has no exercises. Write them: ${suggestion("learn", folder)}`);
  if (flags.check && !(await checkOnce(found))) process.exitCode = 1;
  if (flags.hint !== undefined) await showHint(found, flags.hint === true ? 1 : flags.hint);
  if (flags.watch) await watch(found);
  if (flags.train !== undefined) {
    const { trainWithExercises } = await import("./train.ts");
    await trainWithExercises(found, flags.train === true ? undefined : flags.train);
  }
}

async function begin(given: Exercises): Promise<void> {
  const { folder, language } = given;
  const written = await writeExercises(given);
  const kept = exercises.length - written.length;
  const amount = (count: number) => `${count} ${count === 1 ? "exercise" : "exercises"}`;
  const state =
    written.length === 0
      ? `All exercises are in ${folder} already`
      : kept === 0
        ? `${amount(written.length)} are in ${folder}`
        : `Wrote ${amount(written.length)} to ${folder}; ${kept} were there and stay as they are`;
  const next = await firstUntouched(given);
  const advice = next
    ? `Open ${join(folder, `${next}.${language}`)}, fill in the function, and let it be checked whenever you save`
    : "You have worked on all of them. Have them checked whenever you save";
  await print(`${state}.\n\n${advice}:\n\n  ${suggestion("learn", folder, "--watch")}\n`);
}

/** The first exercise that is as it was written; undefined where there is none. The fast matmul is right from the start. */
async function firstUntouched(given: Exercises): Promise<string | undefined> {
  for (const { id } of exercises) if (id !== fastExercise.id && (await isUntouched(given, id))) return id;
  return undefined;
}

/** Ends a sentence that may have its full stop. */
const ended = (text: string) => (/[.?!]$/.test(text) ? text : `${text}.`);

/** Checks and prints; true if all are right. */
async function checkOnce(given: Exercises): Promise<boolean> {
  let solved = 0;
  for await (const verdict of check(given)) {
    if (verdict.state === "right") solved++;
    await print(verdictText(verdict, given));
  }
  const { bold } = paintFor(process.stdout);
  const all = solved === exercises.length;
  await print(bold(`${solved} of ${exercises.length} are right.`));
  await print(all ? ` Train with your own code: ${suggestion("learn", given.folder, "--train")}\n` : "\n");
  return all;
}

function verdictText(verdict: Verdict, { folder }: Exercises): string {
  const { dim, green, red, yellow } = paintFor(process.stdout);
  const name = `${verdict.id.padEnd(24)}${dim(verdict.title)}`;
  switch (verdict.state) {
    case "right":
      return `${green("✓")} ${name}${verdict.times === undefined ? "" : `  ${speedText(verdict.times)}`}\n`;
    case "untouched":
      return `${yellow("→")} ${name}\n  Next: fill in ${verdict.file}.\n`;
    case "wrong": {
      const lines = [ended(`${verdict.where ? `With ${verdict.where}: ` : ""}${verdict.what}`)];
      if (verdict.likely) lines.push(ended(`Likely: ${verdict.likely}`));
      lines.push(dim(`A hint: ${suggestion("learn", folder, "--hint")}`));
      return `${red("✗")} ${name}\n${lines.map((line) => `  ${asStarted(line)}\n`).join("")}`;
    }
  }
}

function speedText(times: number): string {
  const speed = `${times.toPrecision(2)} times as fast as it was`;
  return times >= goal ? speed : `${speed}; the goal is ${goal} times`;
}

async function showHint(given: Exercises, number: number): Promise<void> {
  let current: Verdict | undefined;
  for await (const verdict of check(given)) current = verdict;
  const hints = exercises.find(({ id }) => id === current?.id)?.hints ?? [];
  if (current?.state === "right" && current.times === undefined) return;
  if (number > hints.length)
    throw new UsageError(
      `${current?.id} has ${hints.length} hints, not ${number}. The last one: ${suggestion("learn", given.folder, "--hint", `${hints.length}`)}`,
    );
  await print(`${current?.id}, hint ${number} of ${hints.length}: ${hints[number - 1]}\n`);
}

const pollMs = 300;

/** Checks at once, and again whenever a file has changed. */
async function watch(given: Exercises): Promise<void> {
  const interrupt = new Interrupt();
  try {
    for (let before = ""; ; ) {
      const now = await stateOf(given.folder);
      if (now === before) {
        await pause(pollMs);
        continue;
      }
      before = now;
      await print(`\n${new Date().toLocaleTimeString()}\n`);
      if (await checkOnce(given)) return;
    }
  } finally {
    interrupt.dispose();
  }
}

/** Changes with any of the folder's files. */
async function stateOf(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => /^\d\d-.*\.(ts|js)$/.test(name)).sort();
  const times = names.map(
    async (name) => `${name} ${(await stat(join(folder, name)).catch(() => undefined))?.mtimeMs}`,
  );
  return (await Promise.all(times)).join("\n");
}
