import { basename, resolve } from "node:path";
import { platform } from "#platform";
import { InputError, UsageError } from "../../errors.ts";
import { saveText } from "../../format/save.ts";
import type { ByteSource } from "../../platform/platform.ts";
import { type Curve, curvesSvg, stepsOf } from "../../plot/curves.ts";
import { decayFor, smooth } from "../../plot/points.ts";
import { runsIn, shortList } from "../../runs/node-run-list.ts";
import { logPath, type Quantity, readCurves, readMetrics } from "../../runs/read-run.ts";
import { holdsRun } from "../../runs/run-config.ts";
import { chart, type Series } from "../display/chart.ts";
import { type Paint, paintFor, printable, short } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { print, say } from "../output.ts";
import { beginsWith, requirePicture, requireReplaceable } from "../replaceable.ts";

/** The options of `llm-ts plot`. */
export interface PlotFlags {
  /** Default: plot.svg, or standard output for CSV. */
  readonly out?: string;
  readonly what: "loss" | "bpb" | "lr" | "norm" | "tokens";
  readonly log?: boolean;
  readonly smooth?: number;
  readonly valOnly?: boolean;
  readonly csv?: boolean;
}

interface Drawing {
  /** Of updates; undefined: only validations have it. */
  readonly quantity?: Quantity;
  /** Of validations, where they have it. */
  readonly ofValidation?: "loss" | "bitsPerByte";
  readonly title: string;
  readonly axis: string;
}

/** Quantities of `--what`, with the titles of picture and axis. */
const drawings: Record<PlotFlags["what"], Drawing> = {
  loss: { quantity: "loss", ofValidation: "loss", title: "Loss", axis: "loss, nats a token" },
  bpb: { ofValidation: "bitsPerByte", title: "Validation loss in bits per byte", axis: "bits per byte" },
  lr: { quantity: "learningRate", title: "Learning rate", axis: "learning rate" },
  norm: { quantity: "norm", title: "Norm of the gradients, before clipping", axis: "norm" },
  tokens: { quantity: "tokensPerSecond", title: "Speed", axis: "tokens a second" },
};

const chartHeight = 14;

/** Draws runs into an SVG and, beside it, into the terminal. */
export async function plotRuns(paths: readonly string[], flags: PlotFlags): Promise<void> {
  new Interrupt();
  const { out = flags.csv ? "-" : "plot.svg", what, log, valOnly } = flags;
  if (valOnly && !drawings[what].ofValidation)
    throw new UsageError(`--val-only is about losses, and --what asks for ${what}.`);
  if (out !== "-") await (flags.csv ? requireReplaceable(out, "CSV file", isCsv) : requirePicture(out));
  const { quantity, ofValidation, title, axis } = drawings[what];
  const missing = what === "bpb" ? "validation in bits per byte" : valOnly ? "validation" : "update";
  const curves: Curve[] = [];
  const runs = await withoutOthers(paths);
  if (flags.csv) return writeCsv(runs, out, valOnly ?? false);
  for (const [at, name] of namesOf(runs).entries()) {
    const { train, val } = await readCurves(runs[at], quantity ?? "loss", ofValidation);
    const curve = { name, train: quantity && !valOnly ? train : [], val: ofValidation ? val : [] };
    if (curve.train.length + curve.val.length > 0) curves.push(curve);
    else if (runs.length > 1) say(`no ${missing} of ${runs[at]} is on record: left out`);
  }
  if (curves.length === 0)
    throw new InputError(`${runs.join(", ")} holds nothing to draw: no ${missing} of it is on record.`);
  // The learning rate has no noise to smooth: an average would only lag.
  const decay = flags.smooth ?? (what === "lr" ? 0 : undefined);
  const svg = curvesSvg(curves, {
    title: valOnly && what === "loss" ? "Validation loss" : title,
    quantity: axis,
    log,
    smooth: decay,
  });
  if (out === "-") return print(svg);
  await saveText(out, svg);
  const drawing = terminalChart(curves, what, decay);
  if (drawing !== "") await print(`${drawing}\n`);
  process.stderr.write(`\nthe picture is in ${out}\n`);
}

const csvColumns = ["loss", "learningRate", "norm", "ms", "tokensPerSecond", "bitsPerByte"] as const;
const csvHeader = "run,event,step,loss,learning_rate,gradient_norm,ms,tokens_per_second,bits_per_byte";

const isCsv = (source: ByteSource) => beginsWith(source, csvHeader.slice(0, 14));

/** Writes a line for every update and validation; NaN and what a log does not have are empty. */
async function writeCsv(runs: readonly string[], out: string, valOnly: boolean): Promise<void> {
  const lines: string[] = [csvHeader];
  for (const [at, name] of namesOf(runs).entries()) {
    const quoted = /[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
    for await (const metric of readMetrics(runs[at])) {
      if (metric.event !== "val" && (metric.event !== "step" || valOnly)) continue;
      const cells = csvColumns.map((column) => metric[column] ?? "");
      lines.push([quoted, metric.event, metric.step, ...cells].join(","));
    }
  }
  const text = `${lines.join("\n")}\n`;
  if (out === "-") return print(text);
  await saveText(out, text);
  say(`the numbers are in ${out}`);
}

/** Of several folders, such as those that runs/* names, those that hold a run. */
async function withoutOthers(paths: readonly string[]): Promise<readonly string[]> {
  const runs: string[] = [];
  for (const path of paths) {
    const isFolder = (await platform.pathKind(path)) === "folder";
    if (isFolder && !(await holdsRun(path))) {
      const names = paths.length === 1 ? shortList(await runsIn(path)) : "";
      if (names !== "")
        throw new UsageError(`${path} is a folder of runs: give those to draw (the newest first): ${names}.`);
      say(`${path} holds no run: left out`);
    } else if (isFolder && paths.length > 1 && (await logPath(path)) === undefined)
      say(`${path} holds no log of a run yet: left out`);
    else runs.push(path);
  }
  return runs.length > 0 ? runs : paths;
}

/** The last part of each path or, where two would be called the same, the whole. */
function namesOf(runs: readonly string[]): string[] {
  const names = runs.map((run) => printable(basename(resolve(run))));
  return new Set(names).size === names.length ? names : runs.map(printable);
}

function terminalChart(curves: readonly Curve[], what: PlotFlags["what"], decay: number | undefined): string {
  const paint = paintFor(process.stdout);
  const style = (at: number) => stylesOf(paint)[at % stylesOf(paint).length];
  const lines: Series[] = curves.map(({ name, train, val }, at) => ({
    label: name,
    points: train.length > 0 ? smooth(train, decay ?? decayFor(train)) : val,
    style: style(at),
  }));
  const marks = curves.map(({ val, train }, at) => ({
    label: "validation",
    points: train.length > 0 ? val : [],
    style: style(at),
  }));
  const width = (process.stdout.columns || 80) - 1;
  const format = what === "lr" ? (value: number) => value.toExponential(0) : what === "tokens" ? short : undefined;
  const steps = Math.max(...curves.map(stepsOf));
  return chart({ curves: lines, marks, steps, width, height: chartHeight, format });
}

function stylesOf({ cyan, yellow, green, red, bold }: Paint) {
  return [cyan, yellow, green, red, bold];
}
