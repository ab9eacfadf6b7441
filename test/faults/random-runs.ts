/**
 * Random runs, interrupted at random moments and resumed until they are complete, against the same run that nothing
 * happened to: every event, every line of llm.c's log and every checkpoint must be equal to the bit.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fixturePath } from "../fixtures.ts";
import { type Result, result, run, start, writeTokens } from "../run-cli.ts";
import { Choices } from "./choices.ts";
import { type Lab, orders, seen, sha256 } from "./lab.ts";
import type { Counts, RandomTrial } from "./random-trials.ts";

/** Maximal number of interruptions of one run, after which it runs to its end. */
const mostInterruptions = 6;

/** A random configuration: all options of a run except its folder, checkpoints and retention. */
interface Configuration {
  readonly options: readonly string[];
  readonly steps: number;
  readonly saving: readonly string[];
  readonly keep: number;
  readonly keepEvery: number;
}

/** Tokens of the smallest vocabulary among the models: 37 batches of two times eight in an epoch. */
function dataIn({ folder }: Lab): string {
  const data = join(folder, "random-data");
  if (existsSync(data)) return data;
  mkdirSync(data);
  for (const [i, count] of [200, 150, 260].entries()) writeTokens(join(data, `train_${i}.bin`), count, 61);
  writeTokens(join(data, "val.bin"), 300, 61);
  return data;
}

function configure(choices: Choices, data: string): Configuration {
  // Outliers are found from the 128th update on.
  const isLong = choices.oneIn(6);
  const steps = isLong ? choices.between(130, 160) : choices.between(1, 14);
  const [B, T, accumulate] = [choices.between(1, 3), choices.between(4, 8), choices.between(1, 3)];
  const model = choices.one([
    ["custom", "--layers", choices.between(1, 2), "--heads", 2, "--channels", 16, "--context", 8, "--vocab", 61],
    [fixturePath("gpt2_tiny.bin")],
    [fixturePath("gpt2_erf")],
  ]);
  const valEvery = isLong ? choices.one([0, 50]) : choices.between(0, 4);
  const flags: Readonly<Record<string, string | number | undefined>> = {
    "-i": join(data, "train_*.bin"),
    "-j": join(data, "val.bin"),
    "-b": B,
    "-t": T,
    "-d": B * T * accumulate,
    "-x": steps,
    "--order": choices.one(orders),
    "--seed": choices.between(0, 99),
    "--data-seed": choices.one([undefined, choices.between(0, 99)]),
    "--sample-seed": choices.one([undefined, choices.between(0, 99)]),
    "-l": choices.one([0, 1e-4, 1e-2]),
    "-k": choices.one(["constant", "cosine", "linear", "wsd"]),
    "-u": choices.between(0, Math.min(steps, 5)),
    "-q": choices.one([0, 0.1, 1]),
    "-c": choices.one([0, 0.1]),
    "--beta1": choices.one([0, 0.9]),
    "--beta2": choices.one([0.95, 0.999]),
    "--grad-clip": choices.one([0, 0.5, 1]),
    "--skip-loss-z": choices.one([0, 1, 3]),
    "--skip-norm-z": choices.one([0, 1, 3]),
    "--on-nan": choices.one(["stop", "skip"]),
    "-a": choices.oneIn(6) ? 1 : 0,
    "-v": valEvery,
    "-m": choices.one([1, 3, 40]),
    "--final-val-batches": choices.one([1, 40, 400]),
    "--early-stop": valEvery > 0 ? choices.one([0, 0, 1, 2]) : 0,
    "--early-stop-delta": choices.one([0, 0.05]),
    "-s": isLong ? choices.one([0, 40]) : choices.between(0, 4),
    "-g": choices.one([1, 12, 200]),
    "--kernel": choices.one([undefined, undefined, "plain-4x8"]),
  };
  const [keep, keepEvery] = [choices.between(0, 3), choices.one([0, 0, 4])];
  const every = isLong ? choices.one([0, 20, 33]) : choices.between(0, 4);
  return {
    options: [
      "-e",
      ...model,
      ...Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [flag, value])),
    ].map(String),
    steps,
    saving: ["-n", every, "--keep", keep, "--keep-every", keepEvery].map(String),
    keep,
    keepEvery,
  };
}

/** Time of an interruption: after so many milliseconds, or in a phase of the run. */
type Moment = "any time" | "in the first validation" | "after an update" | "at the end";

/** Waits in a run that was just started for a moment to interrupt it. */
async function moment(
  child: ReturnType<typeof start>,
  path: string,
  kind: Moment,
  choices: Choices,
  { steps, ms }: { readonly steps: number; readonly ms: number },
): Promise<void> {
  if (kind === "any time") return void (await wait(choices.between(0, Math.round(1.1 * ms))));
  if (kind === "in the first validation") {
    while (!existsSync(join(path, "config.json")) && child.exitCode === null) await wait(5);
    await wait(choices.between(0, 100));
    return;
  }
  const at = kind === "at the end" ? steps - 1 : choices.between(0, steps - 1);
  await seen(child.stdout, (event, step) => event === "step" && step >= at);
  await wait(choices.between(0, 40));
}

const moments: readonly Moment[] = ["any time", "in the first validation", "after an update", "at the end"];
const signals = ["SIGINT", "SIGTERM", "second signal", "SIGKILL"] as const;
const codes = { SIGINT: 130, SIGTERM: 143 } as const;

/** Starts a run, or resumes it, and interrupts it. */
async function interrupted(
  path: string,
  args: readonly string[],
  choices: Choices,
  size: { readonly steps: number; readonly ms: number },
  counts: Counts,
): Promise<Result> {
  const child = start([...args, "--threads", String(choices.between(1, 3))]);
  const ended = result(child);
  const [when, signal] = [choices.one(moments), choices.one(signals)];
  await Promise.race([moment(child, path, when, choices, size), ended]);
  const isAlive = child.exitCode === null;
  const first = signal === "second signal" ? choices.one(["SIGINT", "SIGTERM"] as const) : signal;
  child.kill(first);
  if (signal === "second signal") {
    await wait(choices.between(0, 30));
    child.kill("SIGINT");
  }
  const done = await ended;
  const { code, stderr } = done;
  const { SIGINT, SIGTERM } = codes;
  const allowed: (number | null)[] = {
    SIGINT: [0, SIGINT, null],
    SIGTERM: [0, SIGTERM, null],
    "second signal": [0, SIGINT, SIGTERM, null],
    SIGKILL: [0, null],
  }[signal];
  // Without a code: killed, or the signal came before the program had begun.
  assert.ok(allowed.includes(code), `${signal} ${when}: exit code ${code}: ${stderr}`);
  if (isAlive && code !== 0) for (const what of ["interruptions", signal, when]) counts[what]++;
  return done;
}

async function trial(lab: Lab, seed: number): Promise<Counts> {
  const choices = new Choices(seed);
  const configuration = configure(choices, dataIn(lab));
  const { options, steps, saving } = configuration;
  const counted = ["interruptions", ...signals, ...moments, "lines", "files"];
  const counts: Counts = { runs: 1, ...Object.fromEntries(counted.map((what) => [what, 0])) };
  const paths = [lab.newPath(), lab.newPath()];
  const [whole, path] = paths;
  try {
    const began = performance.now();
    // Every update is saved, to be compared with whatever is saved by the other run.
    const every = ["-n", steps > 100 ? "20" : "1", "--keep", "0"];
    const { code, stderr } = await run(["train", ...options, ...every, "-o", whole, "--json"]);
    assert.equal(code, 0, stderr);
    const ms = performance.now() - began;
    const line = ["train", ...options, ...saving, "-o", path, "-y", "--json"];
    for (let i = 0, isDone = false; i < mostInterruptions && !isDone; i++) {
      const args =
        choices.oneIn(2) && existsSync(join(path, "config.json")) ? ["train", "-o", path, "-y", "--json"] : line;
      isDone = (await interrupted(path, args, choices, { steps, ms }, counts)).code === 0;
      if (isDone) assert.match(lastLine(path), /"event":"done".*"interrupted":false/, "it ended with 0 before its end");
    }
    const last = await run(line);
    assert.equal(last.code, 0, last.stderr);
    compare(whole, path, configuration, counts);
    const again = await run(line);
    assert.match(again.stderr, /The run in .* is complete/);
    return counts;
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}, llm-ts train ${[...options, ...saving].join(" ")}: ${what}`, { cause: error });
  } finally {
    for (const folder of paths) rmSync(folder, { recursive: true, force: true });
  }
}

/** Compares the folders of two runs; counts lines and files. */
function compare(expected: string, found: string, { steps, keep, keepEvery }: Configuration, counts: Counts): void {
  const lines = eventsOf(expected);
  assert.deepEqual(eventsOf(found), lines);
  const log = readFileSync(join(expected, "main.log"), "utf8");
  assert.equal(readFileSync(join(found, "main.log"), "utf8"), log);
  const files = readdirSync(found);
  assert.deepEqual(
    files.filter((file) => /\.tmp$|\.damaged$|^run\.lock$/.test(file)),
    [],
  );
  const saved = files.flatMap((file) => /^DONE_(\d+)$/.exec(file)?.[1] ?? []);
  const passing = saved.filter((step) => keepEvery === 0 || Number(step) % keepEvery !== 0);
  if (keep > 0) assert.ok(passing.length <= keep, `${saved.join(", ")} are kept`);
  assert.ok(saved.some((step) => Number(step) === steps || lines.at(-1)?.includes('"stopped":"early"')));
  const tensors = files.filter((file) => /^(model|state)_/.test(file) && existsSync(join(expected, file)));
  for (const file of tensors) assert.equal(sha256(join(found, file)), sha256(join(expected, file)), file);
  const end = `checkpoint_${saved.sort().at(-1)}.json`;
  assert.deepEqual(trainerIn(join(found, end)), trainerIn(join(expected, end)));
  counts.lines = lines.length + log.split("\n").length - 1;
  counts.files = tensors.length + 1;
}

const lastLine = (path: string) => readFileSync(join(path, "metrics.jsonl"), "utf8").trimEnd().split("\n").at(-1) ?? "";

/** The lines of metrics.jsonl but for checkpoints and times. */
function eventsOf(path: string): string[] {
  return readFileSync(join(path, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((text): Record<string, unknown> => JSON.parse(text))
    .filter(({ event }) => event !== "checkpoint")
    .map(({ ms, tokensPerSecond, ...event }) => JSON.stringify(event));
}

/** Content of a checkpoint's JSON about the trainer, except times. */
function trainerIn(path: string): Record<string, unknown> {
  const { trainer, loader } = JSON.parse(readFileSync(path, "utf8"));
  return { ...trainer, ms: 0, loader };
}

export const randomRuns: RandomTrial = {
  kind: "runs",
  name: "random runs",
  what: "interrupted at random moments and resumed, against the uninterrupted run: every line, checkpoint and model",
  quick: 3,
  skip: process.platform === "win32" && "Windows has no signals to send to another process",
  trial,
};
