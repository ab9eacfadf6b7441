import { InputError, UsageError } from "../../errors.ts";
import { withSource } from "../../format/source.ts";
import { type CompareEvent, type CompareVerdict, compareTrace, type Finding } from "../../verify/compare-trace.ts";
import type { DebugBatch } from "../../verify/debug-state.ts";
import type { TraceUpdate } from "../../verify/trace.ts";
import { type Dump, type ExpectedTrace, expectedInFile, expectedOf, openDump } from "../../verify/trace-file.ts";
import { paintFor } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { type BatchFlags, firstBatch, traceModel, type UpdateFlags, updateOf } from "../options/trace.ts";
import type { updateFlags } from "../options/update.ts";
import { print } from "../output.ts";

/** The options of `llm-ts verify --trace`. */
export interface TraceVerifyFlags extends BatchFlags, UpdateFlags {
  readonly trace: string;
  readonly model?: string;
  readonly expected?: string;
  readonly partial?: boolean;
  readonly json?: boolean;
  /** Options of the update that were given. */
  readonly chosen: readonly (typeof updateFlags)[number][];
}

/** Compares another program's dump with a trace; exit code 1 where it deviates, or lacks tensors. */
export async function verifyTrace(flags: TraceVerifyFlags): Promise<void> {
  const { model, expected, trace: path } = flags;
  if ((model === undefined) === (expected === undefined))
    throw new UsageError(
      "--trace needs what to compare with, one of two: --expected with a file of llm-ts trace, or --model.",
    );
  const interrupt = new Interrupt();
  try {
    await withSource(path, async (source) => {
      const dump = await openDump(source);
      if (expected !== undefined)
        return withSource(expected, async (right) => {
          const trace = expectedInFile(await openDump(right));
          requireNoOther(trace.update, expected, flags);
          return report(trace, dump, flags);
        });
      if (model === undefined) return undefined;
      if (dump.origin) requireNoOther(dump.origin.update, path, flags);
      const update = dump.origin?.update ?? updateOf(flags);
      return traceModel(
        model,
        update,
        (V) => batchFor(dump, V, flags),
        (trace) => report(expectedOf(trace), dump, flags),
      );
    });
  } finally {
    interrupt.dispose();
  }
}

/** UsageError for an option of the update that differs from what a trace says of itself. */
function requireNoOther(update: TraceUpdate, file: string, flags: TraceVerifyFlags): void {
  const given = updateOf(flags);
  for (const name of flags.chosen) {
    const key = name === "lr" ? "learningRate" : name;
    if (given[key] === update[key]) continue;
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new UsageError(
      `${file} is a trace of an update with ${option} ${update[key]}, not ${given[key]}. Leave ${option} out.`,
    );
  }
}

/** The batch of --data, else the dump's own. */
async function batchFor(dump: Dump, V: number, flags: BatchFlags): Promise<DebugBatch> {
  if (flags.data !== undefined) return firstBatch(flags.data, V, flags);
  const shape = dump.shapes.get("tokens") ?? [];
  const [B, T] = shape;
  if (shape.length !== 2 || String(dump.shapes.get("targets")) !== String(shape))
    throw new InputError(
      `${dump.name} has no tensors "tokens" and "targets" of shape [B,T], so its batch is unknown. Add them to the dump, or give ` +
        "the data with --data, -b and -t.",
    );
  const [x, y] = [await dump.read("tokens"), await dump.read("targets")].map(({ data }) => Int32Array.from(data));
  for (const [name, tokens] of [
    ["tokens", x],
    ["targets", y],
  ] as const) {
    const bad = tokens.findIndex((token) => token < 0 || token >= V);
    if (bad >= 0)
      throw new InputError(
        `${dump.name}: ${name}[${bad}] is ${tokens[bad]}, and the model has ${V} tokens, from 0 on. Give the model that the ` +
          "dump is of.",
      );
  }
  return { B, T, x, y };
}

async function report(expected: ExpectedTrace, dump: Dump, { json, partial }: TraceVerifyFlags): Promise<void> {
  const events: CompareEvent[] = [];
  for await (const event of compareTrace(expected, dump)) {
    events.push(event);
    if (!json) await print(textOf(event, dump));
    if (event.type === "done" && !(event.okay || (partial && event.firstDeviation === undefined))) process.exitCode = 1;
  }
  if (json) await print(`${JSON.stringify(jsonOf(events))}\n`);
}

function textOf(event: CompareEvent, dump: Dump): string {
  const { bold, dim, green, red, yellow } = paintFor(process.stdout);
  switch (event.type) {
    case "extra":
      return `${yellow("?     ")}  ${event.name}: no trace has a tensor of this name${event.holds ? `; it holds the values of ${event.holds}: call it that` : ""}\n`;
    case "agrees":
      return `${green("OK    ")}  ${event.name.padEnd(20)}${dim(`max diff ${event.maxDiff.toExponential(1)} of ${event.largest.toPrecision(3)}`)}\n`;
    case "deviates":
      return `${red("NOT OK")}  ${findingText(event)}`;
    case "done":
      return `${bold(verdictText(event, dump))}\n`;
  }
}

function findingText({ name, shape, difference, reason, lacking }: Finding): string {
  const lines = [`${name} [${shape}]`];
  if (difference)
    lines.push(
      `        at [${difference.at}]: expected ${difference.expected.toPrecision(7)}, found ${difference.found.toPrecision(7)}; ` +
        `the largest difference is ${difference.maxDiff.toExponential(2)}`,
    );
  if (reason?.upstream)
    lines.push(
      "        It follows from its own operands, which deviate less than is noticed or are not in the dump: " +
        `${lacking.length > 0 ? `dump ${lacking.join(", ")} as well` : "look at the tensors before it"}.`,
    );
  else if (reason) lines.push(`        Likely: ${reason.what}.`);
  else
    lines.push(
      "        No known mistake gives these values. Compare your lines with dist/backend/reference, an operation a file.",
    );
  if (lacking.length > 0 && !reason?.upstream)
    lines.push(`        Not in the dump: ${lacking.join(", ")}; the right values were taken for them.`);
  return `${lines.join("\n")}\n`;
}

function verdictText({ agreeing, missing, firstDeviation, okay }: CompareVerdict, { name }: Dump): string {
  const count = `${agreeing} ${agreeing === 1 ? "tensor agrees" : "tensors agree"}`;
  if (firstDeviation !== undefined) return `${count}; the first that deviates is ${firstDeviation}.`;
  if (okay) return `${count}: all of the step.`;
  const rest = missing.length > 1 ? `, and ${missing.length - 1} more` : "";
  return `${count}. ${name} lacks ${missing[0]}${rest}.`;
}

function jsonOf(events: readonly CompareEvent[]) {
  const of = <T extends CompareEvent["type"]>(type: T) =>
    events.filter((event): event is Extract<CompareEvent, { type: T }> => event.type === type);
  const [verdict] = of("done");
  return {
    okay: verdict.okay,
    agreeing: of("agrees").map(({ name, maxDiff, largest }) => ({ name, maxDiff, largest })),
    deviation:
      of("deviates")
        .map(({ type, ...finding }) => finding)
        .at(0) ?? null,
    missing: verdict.missing,
    extra: of("extra").map(({ name, holds = null }) => ({ name, holds })),
  };
}
