import { platform } from "#platform";
import { isObject } from "../format/json.ts";

/** A line of a run's metrics.jsonl, or of llm.c's main.log: an event (events.ts) as far as it could be read. */
export interface Metric {
  readonly event: string;
  readonly step: number;
  readonly loss?: number;
  readonly lr?: number;
  readonly norm?: number;
  readonly ms?: number;
  readonly tokensPerSecond?: number;
  /** Of `done`: updates that were skipped, and why the run ended before its planned end. */
  readonly skipped?: number;
  readonly interrupted?: boolean;
  readonly stopped?: boolean;
}

/** The lines of a text file, as many at once as a chunk of it holds: a long file is never in memory whole. */
export async function* linesOf(path: string): AsyncGenerator<string[], void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of await platform.openStream(path)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield lines;
  }
  if (rest !== "") yield [rest];
}

/** Reads a line of metrics.jsonl; undefined for one that is cut off or something else. */
export function parseMetric(line: string): Metric | undefined {
  const fields = parse(line);
  const step = numberIn(fields, "step");
  if (!isObject(fields) || typeof fields.event !== "string" || step === undefined) return undefined;
  return {
    event: fields.event,
    step,
    loss: numberIn(fields, "loss"),
    lr: numberIn(fields, "lr"),
    norm: numberIn(fields, "norm"),
    ms: numberIn(fields, "ms"),
    tokensPerSecond: numberIn(fields, "tokensPerSecond"),
    skipped: numberIn(fields, "skipped"),
    interrupted: fields.interrupted === true,
    stopped: fields.stopped !== undefined,
  };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Reads a line of main.log, ours or llm.c's: "s:7 trl:4.2500 lr:0.000300 norm:1.00", "s:7 tel:5.0000". */
export function parseLogLine(line: string): Metric | undefined {
  const fields = Object.fromEntries(line.split(" ").map((field) => field.split(":")));
  const number = (name: string) => (name in fields ? Number(fields[name]) : undefined);
  const [step, trl, tel] = [number("s"), number("trl"), number("tel")];
  if (step === undefined || !Number.isFinite(step)) return undefined;
  if (tel !== undefined) return { event: "val", step, loss: tel };
  return trl === undefined ? undefined : { event: "step", step, loss: trl, lr: number("lr"), norm: number("norm") };
}

/** A field that is a number, and a finite one. */
export function numberIn(fields: unknown, name: string): number | undefined {
  const value = isObject(fields) ? fields[name] : undefined;
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
