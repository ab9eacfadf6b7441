/** Results as tables of Markdown, and the files that hold them. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, type } from "node:os";
import { fileURLToPath } from "node:url";
import { type Lab, type Outcome, outcomeOf } from "./lab.ts";
import { randomTrials, type Tally } from "./random-trials.ts";

export interface Tried {
  readonly name: string;
  readonly what: string;
  readonly times: number;
  readonly lost: number;
  readonly skip?: string;
}

const row = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;

/** A fault's line in the table, with the day on which it was tried. */
interface Line extends Tried {
  readonly date: string;
}

const today = () => new Date().toISOString().slice(0, 10);

export function printTable(tried: readonly Tried[]): string {
  return tableOf(tried.map((one) => ({ ...one, date: today() })));
}

function tableOf(lines: readonly Line[]): string {
  const rows = lines.map(({ name, what, times, lost, skip, date }) =>
    row([name, what, skip ? `skipped: ${skip}` : times, skip ? "" : lost, date]),
  );
  const sum = (field: "times" | "lost") => lines.reduce((total, line) => total + line[field], 0);
  const total = row(["**all**", "", `**${sum("times")}**`, `**${sum("lost")}**`, ""]);
  return [
    row(["fault", "what happens, and what must follow", "times", "losses", "on"]),
    "| --- | --- | ---: | ---: | --- |",
  ]
    .concat(rows, total)
    .join("\n");
}

export function printTallies(tallies: readonly Tally[]): string {
  return tallyTable(tallies.map(tallyRow));
}

function tallyRow({ name, what, minutes, seeds, differences, counts }: Tally): string {
  const counted = Object.entries(counts).map(([key, count]) => `${count.toLocaleString("en-US")} ${key}`);
  return row([name, what, minutes, seeds, counted.join(", "), differences]);
}

function tallyTable(rows: readonly string[]): string {
  const head = row(["random cases", "what is compared", "minutes", "seeds", "counted", "differences"]);
  return [head, "| --- | --- | ---: | ---: | --- | ---: |", ...rows].join("\n");
}

const lossesOf = ({ events }: Outcome) =>
  events
    .map((line): { event: string; loss: number } => JSON.parse(line))
    .filter(({ event }) => event === "step")
    .map(({ loss }) => loss);

/** Table of the losses of an uninterrupted run and of one that was killed every few updates. */
export async function lossTable(lab: Lab): Promise<string> {
  const path = await lab.killedRun();
  const kills = 1 + (await lab.killOften(path));
  const [whole, resumed] = [lossesOf(await lab.uninterrupted()), lossesOf(outcomeOf(path))];
  const lines = whole.map((loss, step) => row([step, loss, resumed[step], loss === resumed[step] ? "same" : "OTHER"]));
  return [row(["step", "uninterrupted", `killed ${kills} times and resumed`, "bits"]), "| ---: | --- | --- | --- |"]
    .concat(lines)
    .join("\n");
}

const path = fileURLToPath(new URL("../../docs/reliability.md", import.meta.url));

/** docs/reliability.md in three parts: the second is the text between the markers of this name. */
function reportParts(name: string): readonly [before: string, text: string, after: string] {
  const [begin, end] = [`<!-- ${name}: generated -->`, `<!-- ${name}: end -->`];
  const page = readFileSync(path, "utf8");
  const [from, to] = [page.indexOf(begin) + begin.length, page.indexOf(end)];
  if (from < begin.length || to < from) throw new Error(`${path} has no place for "${name}"`);
  return [page.slice(0, from), page.slice(from, to), page.slice(to)];
}

/** Puts a text between the markers of its name in docs/reliability.md, with the date and the machine. */
export function writeReport(name: string, text: string): void {
  const [before, , after] = reportParts(name);
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${cpus()[0]?.model.trim()}, ${cpus().length} cores; ${type()}; Node ${process.version}`;
  writeFileSync(path, `${before}\n\n${date}, ${machine}.\n\n${text}\n\n${after}`);
}

/** Puts faults and losses into docs/reliability.md, in the order of `names`; of faults that were not tried, the existing lines are kept. */
export function writeFaults(names: readonly string[], tried: readonly Tried[], losses: string): void {
  const before = reportParts("faults")[1].split("\n").map(lineOf);
  const lines = names.flatMap((name) => {
    const one = tried.find((one) => one.name === name && !one.skip);
    return one ? { ...one, date: today() } : (before.find((line) => line?.name === name) ?? []);
  });
  writeReport("faults", `${tableOf(lines)}\n\n${losses}`);
}

function lineOf(text: string): Line | undefined {
  const [, name, what, times, lost, date] = text.split("|").map((cell) => cell.trim());
  return date && Number(times) > 0 ? { name, what, times: Number(times), lost: Number(lost), date } : undefined;
}

/** Puts tallies into docs/reliability.md; of the kinds that were not tried, the existing rows are kept. */
export function writeTallies(tallies: readonly Tally[]): void {
  const lines = reportParts("random")[1].split("\n");
  const rows = randomTrials.flatMap(({ name }) => {
    const tally = tallies.find((one) => one.name === name);
    return tally ? tallyRow(tally) : lines.filter((line) => line.startsWith(`| ${name} |`));
  });
  writeReport("random", tallyTable(rows));
}
