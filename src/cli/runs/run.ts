import { basename } from "node:path";
import { platform } from "#platform";
import { InputError } from "../../errors.ts";
import { isNoFolder } from "../../platform/glob.ts";
import { table } from "../../plot/text.ts";
import type { TimedRun } from "../../runs/node-run-list.ts";
import { runsIn } from "../../runs/node-run-list.ts";
import { duration, grouped, printable, short } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { print, say } from "../output.ts";
import { asStarted } from "../suggest.ts";

/** The options of `llm-ts runs`. */
export interface RunsFlags {
  readonly json?: boolean;
}

/** Prints the runs of a folder, the newest first. */
export async function listRuns(folder: string, { json }: RunsFlags): Promise<void> {
  new Interrupt();
  const kind = await platform.pathKind(folder);
  if (isNoFolder(kind)) throw new InputError(`${folder} is a file, where a folder with runs is expected.`);
  if (kind === undefined)
    throw new InputError(`There is no folder ${folder}. Make one with llm-ts train --model baby -o runs/`);
  const runs = (await runsIn(folder)).map(withReason);
  // An empty list is a result like any other: scripts may ask before the first run.
  if (runs.length === 0) say(`${folder} holds no runs. Make one with llm-ts train --model baby -o runs/`);
  if (json) return print(`${JSON.stringify(runs)}\n`);
  if (runs.length > 0) await print(tableOf(runs, process.stdout.isTTY ? process.stdout.columns : undefined));
}

/** The reason for which a run cannot be read names commands as this process was started. */
function withReason({ reason, ...run }: TimedRun): TimedRun {
  return { ...run, ...(reason !== undefined && { reason: asStarted(reason) }) };
}

/** The columns, and how soon they are left out where a terminal is narrow: higher ranks first. */
const columns: readonly [title: string, rank: number, cell: (run: TimedRun) => string][] = [
  ["run", 0, ({ folder }) => printable(basename(folder))],
  ["model", 6, modelIn],
  ["parameters", 7, ({ parameters }) => (parameters === undefined ? "" : short(parameters))],
  ["updates", 2, ({ step, steps }) => [step, steps].flatMap((n) => (n === undefined ? [] : grouped(n))).join("/")],
  ["train", 5, ({ loss }) => loss?.toFixed(4) ?? ""],
  ["val", 1, ({ valLoss }) => valLoss?.toFixed(4) ?? ""],
  ["best val", 3, ({ bestValLoss }) => bestValLoss?.toFixed(4) ?? ""],
  ["bits/byte", 5, ({ bitsPerByte }) => bitsPerByte?.toFixed(4) ?? ""],
  ["tokens/s", 8, ({ tokensPerSecond }) => (tokensPerSecond === undefined ? "" : short(tokensPerSecond))],
  ["took", 4, ({ ms }) => (ms === undefined ? "" : duration(ms))],
  ["began", 9, ({ created }) => localTime(created)],
  ["status", 0, ({ status }) => status],
];

function modelIn({ model = "", adapter, optimizer }: TimedRun): string {
  return printable([model, adapter && `LoRA ${adapter.rank}`, optimizer].filter(Boolean).join(" + "));
}

/** `width`: characters of a line; without it all columns are shown. */
export function tableOf(runs: readonly TimedRun[], width = Number.POSITIVE_INFINITY): string {
  const readable = runs.filter(({ status }) => status !== "unreadable");
  // Runs without a tokenizer have no bits per byte.
  const known = columns.filter(([title, , cell]) => title !== "bits/byte" || readable.some((run) => cell(run) !== ""));
  let shown = known;
  let text = "";
  for (let rank = 9; rank >= 0; rank--) {
    shown = known.filter(([, own]) => own <= rank);
    text = table(
      shown.map(([title]) => title),
      readable.map((run) => shown.map(([, , cell]) => cell(run))),
      [0, shown.findIndex(([title]) => title === "model"), shown.length - 1],
    );
    if (text.indexOf("─\n") - text.indexOf("\n") <= width) break;
  }
  const others = runs
    .filter(({ status }) => status === "unreadable")
    .map(({ reason }) => `${printable(reason ?? "")}\n`);
  return [readable.length > 0 ? text : "", ...(others.length > 0 ? ["\n", ...others] : [])].join("");
}

function localTime(iso: string): string {
  const date = new Date(iso);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
