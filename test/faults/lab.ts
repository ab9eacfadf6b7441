/** Runs of a small model under faults, compared with the uninterrupted run. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Mt19937 } from "../../src/random/mt19937.ts";
import { type Result, result, run, start, writeTokens } from "../run-cli.ts";

export const orders = ["file", "shuffle", "random"] as const;
export type Order = (typeof orders)[number];

/** Updates of every run; a checkpoint comes after every third, and after the last. */
export const steps = 40;
const checkpointEvery = 3;

/** Result of an uninterrupted run: all events but times and checkpoints, llm.c's log, and the model's bits. */
export interface Outcome {
  readonly events: readonly string[];
  readonly log: string;
  readonly model: string;
}

export class Lab {
  readonly folder: string;
  readonly data: string;
  readonly random = new Mt19937(4);
  readonly #uninterrupted = new Map<Order, Outcome & { ms: number }>();
  #count = 0;

  constructor(folder: string) {
    this.folder = folder;
    this.data = join(folder, "data");
    mkdirSync(this.data);
    // Epochs of 74 batches: a run of 40 updates of two batches each continues into the second.
    for (const [i, count] of [400, 300, 500].entries()) writeTokens(join(this.data, `train_${i}.bin`), count, 101);
    writeTokens(join(this.data, "val.bin"), 300, 101);
  }

  /** A path for a run folder that is not there yet. */
  newPath(): string {
    return join(this.folder, `run-${++this.#count}`);
  }

  /** A whole number below `end`. */
  pick(end: number): number {
    return this.random.randint32() % end;
  }

  /** The command of a run: gradients are accumulated over two batches. */
  args(out: string, order: Order = "shuffle", data: string = this.data): string[] {
    const model = "-e custom --layers 2 --heads 2 --channels 32 --vocab 101".split(" ");
    const sizes = `-b 2 -t 8 -d 32 -x ${steps} -v 10 -m 2 -s 15 -g 6 -n ${checkpointEvery}`.split(" ");
    const files = ["-i", join(data, "train_*.bin"), "-j", join(data, "val.bin")];
    return ["train", ...model, ...sizes, ...files, "--order", order, "-o", out, "--json"];
  }

  /** Result and duration of an uninterrupted run. */
  async uninterrupted(order: Order = "shuffle"): Promise<Outcome & { ms: number }> {
    const known = this.#uninterrupted.get(order);
    if (known) return known;
    const began = performance.now();
    const outcome = { ...(await this.finish(this.args(this.newPath(), order))), ms: performance.now() - began };
    this.#uninterrupted.set(order, outcome);
    return outcome;
  }

  /** Runs a command, which must succeed; returns the contents of its folder. */
  async finish(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    const { code, stderr } = await run(args, { env });
    assert.equal(code, 0, stderr);
    return outcomeOf(args[args.indexOf("-o") + 1]);
  }

  /** Resumes a run to its end, on one thread or two; asserts that it equals the uninterrupted one. */
  async finishAlike(path: string, order: Order = "shuffle", ...more: readonly string[]): Promise<Result> {
    const done = await run(["train", "-o", path, "-y", "--threads", `${1 + this.pick(2)}`, "--json", ...more]);
    assert.equal(done.code, 0, done.stderr);
    const { events, log, model } = await this.uninterrupted(order);
    assert.deepEqual(outcomeOf(path), { events, log, model });
    return done;
  }

  /** A run that is killed once it has a few checkpoints, with an update or two after the last. */
  async killedRun(order: Order = "shuffle", data: string = this.data): Promise<string> {
    for (;;) {
      const path = this.newPath();
      const child = start(this.args(path, order, data));
      const ended = result(child);
      await seen(child.stdout, (event, step) => event === "step" && step >= 3 * checkpointEvery + this.pick(9));
      child.kill("SIGKILL");
      await ended;
      if (!isDone(path)) return path;
    }
  }

  /** Kills a run every few updates until it is done; returns the number of kills. */
  async killOften(path: string): Promise<number> {
    for (let kills = 0; ; kills++) {
      const child = start(["train", "-o", path, "-y", "--json"]);
      const ended = result(child);
      let events = 0;
      await seen(child.stdout, (event) => event === "step" && ++events > checkpointEvery + 1);
      child.kill("SIGKILL");
      if ((await ended).code === 0) return kills;
    }
  }

  /** A copy of a folder, for something to happen to it. */
  copyOf(folder: string): string {
    const copy = this.newPath();
    cpSync(folder, copy, { recursive: true });
    return copy;
  }
}

export const name = (step: number) => String(step).padStart(8, "0");

/** True for a run that reached its last update: a fault came too late for it. */
export function isDone(path: string): boolean {
  return readdirSync(path).includes(`DONE_${name(steps)}`);
}

export function outcomeOf(path: string): Outcome {
  const lines = readFileSync(join(path, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  const events = lines
    .map((line): Record<string, unknown> => JSON.parse(line))
    .filter(({ event }) => event !== "checkpoint" && event !== "done")
    .map(({ ms, tokensPerSecond, ...event }) => JSON.stringify(event));
  return {
    events,
    log: readFileSync(join(path, "main.log"), "utf8"),
    model: sha256(join(path, `model_${name(steps)}.bin`)),
  };
}

export function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Every file of a folder by its content, to see that nothing in it was touched. */
export function contents(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((file) => [file, sha256(join(folder, file))]));
}

/** Resolves when a command has reported a matching event, or has ended. */
export function seen(stdout: NodeJS.ReadableStream, wanted: (event: string, step: number) => boolean): Promise<void> {
  let rest = "";
  return new Promise((resolve) => {
    stdout.on("data", (piece: Buffer | string) => {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      // MPI's launchers add words of their own.
      for (const line of lines.filter((line) => line.startsWith("{"))) {
        const { event, step } = JSON.parse(line);
        if (wanted(event, step)) resolve();
      }
    });
    stdout.on("end", resolve);
  });
}

/** The largest step that a command reported a checkpoint of. */
export function lastCheckpoint(stdout: string): number {
  return Math.max(0, ...[...stdout.matchAll(/"event":"checkpoint","step":(\d+),/g)].map(([, step]) => Number(step)));
}
