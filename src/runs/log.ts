import { platform } from "#platform";
import { TextSplitter } from "../data/text-splitter.ts";
import { InputError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import { save } from "../format/save.ts";
import { inFolder } from "../platform/paths.ts";
import type { TrainerState } from "../train/state.ts";

/** Every event as `--json` prints it, and llm.c's log: alone in its runs. */
export const metricsFile = "metrics.jsonl";
export const logFile = "main.log";

/** The log in a run's folder from which its events are read; undefined before the first. */
export async function logIn(folder: string): Promise<string | undefined> {
  for (const path of [inFolder(folder, metricsFile), inFolder(folder, logFile)])
    if ((await platform.pathKind(path)) === "file") return path;
  return undefined;
}

/** A line of a run's metrics.jsonl, or of llm.c's main.log: an event (events.ts) as far as it could be read. */
export interface Metric {
  readonly event: string;
  readonly step: number;
  readonly loss?: number;
  /** Of a validation. */
  readonly bitsPerByte?: number;
  readonly learningRate?: number;
  readonly norm?: number;
  readonly ms?: number;
  readonly tokensPerSecond?: number;
  /** Of `sample`: what the model wrote. */
  readonly text?: string;
  /** Of `done`: updates that were skipped, and why the run ended before its planned end. */
  readonly skipped?: number;
  readonly interrupted?: boolean;
  readonly stopped?: boolean;
}

/** Far beyond any line of a log, so that a file without line ends does not fill memory. */
const longestLine = 1 << 26;

/** Cuts a text that comes in pieces of bytes into its lines. */
export class LineCutter {
  readonly #name: string;
  readonly #decoder = new TextDecoder();
  readonly #splitter = new TextSplitter("\n");
  #read = 0;
  #end = 0;

  /** `name`: of the file, for errors. */
  constructor(name: string) {
    this.#name = name;
  }

  /** The lines that end in `chunk`. InputError when one is longer than 64 million characters. */
  push(chunk: Uint8Array): string[] {
    const newline = chunk.lastIndexOf(10);
    if (newline >= 0) this.#end = this.#read + newline + 1;
    this.#read += chunk.length;
    const lines = this.#splitter.push(this.#decoder.decode(chunk, { stream: true }));
    if (this.rest.length <= longestLine) return lines;
    throw new InputError(`${this.#name} has a line of over ${longestLine} characters: it is not the log of a run.`);
  }

  /** Size of the complete lines in bytes, line ends included. */
  get end(): number {
    return this.#end;
  }

  /** Text behind the last line end. */
  get rest(): string {
    return this.#splitter.rest;
  }
}

/** The lines of a text file, as many at once as a chunk of it holds: a long file is never in memory whole. */
export async function* linesOf(path: string): AsyncGenerator<string[], void, undefined> {
  const cutter = new LineCutter(path);
  for await (const chunk of await platform.openStream(path)) yield cutter.push(chunk);
  if (cutter.rest !== "") yield [cutter.rest];
}

/** Reads a line of metrics.jsonl or main.log; undefined for one that is cut off or something else. */
export function parseLine(line: string): Metric | undefined {
  return line.startsWith("{") ? parseMetric(line) : parseLogLine(line);
}

function parseMetric(line: string): Metric | undefined {
  const fields = parse(line);
  const step = numberIn(fields, "step");
  if (!isObject(fields) || typeof fields.event !== "string" || !isStep(step)) return undefined;
  return {
    event: fields.event,
    step,
    loss: numberIn(fields, "loss"),
    bitsPerByte: numberIn(fields, "bitsPerByte"),
    learningRate: numberIn(fields, "lr"),
    norm: numberIn(fields, "norm"),
    ms: numberIn(fields, "ms"),
    tokensPerSecond: numberIn(fields, "tokensPerSecond"),
    text: typeof fields.text === "string" ? fields.text : undefined,
    skipped: numberIn(fields, "skipped"),
    interrupted: fields.interrupted === true,
    stopped: fields.stopped !== undefined,
  };
}

function isStep(step: number | undefined): step is number {
  return step !== undefined && Number.isSafeInteger(step) && step >= 0;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Reads a line of main.log, ours or llm.c's: "s:7 trl:4.2500 lr:0.000300 norm:1.00", "s:7 tel:5.0000", "s:7 eval:0.25". */
function parseLogLine(line: string): Metric | undefined {
  const fields = Object.fromEntries(line.split(" ").map((field) => field.split(":")));
  const number = (name: string) => (name in fields ? Number(fields[name]) : undefined);
  const [step, trl, tel] = [number("s"), number("trl"), number("tel")];
  if (!isStep(step)) return undefined;
  if (tel !== undefined) return { event: "val", step, loss: tel };
  if ("eval" in fields) return { event: "eval", step };
  return trl === undefined
    ? undefined
    : { event: "step", step, loss: trl, learningRate: number("lr"), norm: number("norm") };
}

/** A field that is a number, and a finite one. */
export function numberIn(fields: unknown, name: string): number | undefined {
  const value = isObject(fields) ? fields[name] : undefined;
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Selects the log lines that remain valid when a run resumes from a checkpoint. */
export type KeepLine = (line: string) => boolean;

/** For metrics.jsonl: what came before the checkpoint. A line that a killed process left unfinished goes. */
export function keptMetrics(state: Checkpointed): KeepLine {
  return (line) => {
    try {
      const { event, step } = JSON.parse(line);
      return Number.isSafeInteger(step) && event !== "done" && isBefore(state, event, step);
    } catch {
      return false;
    }
  };
}

/** For llm.c's main.log. */
export function keptLog(state: Checkpointed): KeepLine {
  const kinds: Record<string, string> = { trl: "step", tel: "val", eval: "val" };
  return (line) => {
    const [, step, kind] = /^s:(\d+) (trl|tel|eval):\S+( lr:\S+ norm:\S+)?$/.exec(line) ?? [];
    return step !== undefined && isBefore(state, kinds[kind], Number(step));
  };
}

export type Checkpointed = Pick<TrainerState, "step" | "validatedAt" | "sampledAt">;

/** True for events before the checkpoint. At its own step, a "step" line is the update that comes next. */
function isBefore({ step: at, validatedAt, sampledAt }: Checkpointed, event: string, step: number): boolean {
  if (step !== at) return step < at;
  if (event === "step") return false;
  if (event === "val") return validatedAt === at;
  return event !== "sample" || sampledAt === at;
}

/** Keeps some lines of a text file, all or none of the change. A file that is missing is no error. */
export async function keepLines(path: string, keep: KeepLine): Promise<void> {
  if ((await platform.pathKind(path)) !== "file") return;
  const encoder = new TextEncoder();
  const cutter = new LineCutter(path);
  await save(path, async (sink) => {
    for await (const chunk of await platform.openStream(path)) {
      const kept = cutter
        .push(chunk)
        .filter(keep)
        .map((line) => `${line}\n`);
      await sink.write(encoder.encode(kept.join("")));
    }
    // Without its end, the last line was never finished.
  });
}
