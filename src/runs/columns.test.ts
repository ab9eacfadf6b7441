import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { type TrainEvent, toJsonLine, toLogLine } from "../train/events.ts";
import { decodeColumns, encodeColumns, GrowingColumns, readColumns, readLog } from "./columns.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "llm-ts-columns-"));
});
afterAll(() => rm(root, { recursive: true }));

async function folder(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const path = join(root, name);
  await mkdir(path);
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
  return path;
}

// Numbers that float32 holds, so that they can be compared.
const step = (n: number, loss = 5 - n / 128): TrainEvent => {
  return { type: "step", step: n, loss, learningRate: 0.5 ** n, norm: 1 + n, ms: 10, tokensPerSecond: 1000 + n };
};
const val = (n: number, loss: number): TrainEvent => ({ type: "val", step: n, loss });
const sample = (n: number, text: string): TrainEvent => ({ type: "sample", step: n, tokens: [1], text });
const text = (events: readonly TrainEvent[]) => events.map(toJsonLine).join("");
const bytes = (text: string) => new TextEncoder().encode(text).length;

test("a log becomes columns and samples, up to its last whole line", async () => {
  const whole = `${text([val(0, 5.5), step(0), sample(1, "Grüße"), step(1)])}{"event":"step","step":2,"loss":null}\n`;
  const path = await folder("whole", { "metrics.jsonl": `${whole}{"event":"step","st` });
  const log = await readLog(path);
  expect(log.columns).toEqual({
    step: Int32Array.of(0, 1, 2),
    loss: Float32Array.of(5, 5 - 1 / 128, Number.NaN),
    learningRate: Float32Array.of(1, 0.5, Number.NaN),
    norm: Float32Array.of(1, 2, Number.NaN),
    tokensPerSecond: Float32Array.of(1000, 1001, Number.NaN),
    valStep: Int32Array.of(0),
    valLoss: Float32Array.of(5.5),
    end: bytes(whole),
    broken: 0,
  });
  expect(log.samples).toEqual([{ step: 1, text: "Grüße" }]);
});

test("after a resume the later updates, validations and samples count", async () => {
  const first = [val(0, 5.5), step(0), step(1), sample(2, "old"), step(2), val(3, 5), step(3)];
  const again = [sample(2, "new"), step(2, 2), val(3, 4)];
  const log = await readLog(await folder("resumed", { "metrics.jsonl": text([...first, ...again]) }));
  const { step: steps, loss, valStep, valLoss } = log.columns;
  expect([[...steps], [...loss].at(-1)]).toEqual([[0, 1, 2], 2]);
  expect([[...valStep], [...valLoss]]).toEqual([
    [0, 3],
    [5.5, 4],
  ]);
  expect(log.samples).toEqual([{ step: 2, text: "new" }]);
});

test("unreadable lines are counted, and harm no others", async () => {
  const lines = ["{", "\0\xff", "[1]", "null", '{"event":"step"}', '{"event":"step","step":1.5}', '{"step":1}', ""];
  const path = await folder("broken", { "metrics.jsonl": `${lines.join("\n")}\n${text([step(7)])}` });
  const { step: steps, broken } = await readColumns(path);
  expect([[...steps], broken]).toEqual([[7], 7]);
});

test("a log longer than a chunk is read whole, characters that a chunk cuts included", async () => {
  const events = Array.from({ length: 3000 }, (_, n) => (n % 10 === 9 ? sample(n, "ä€🙂".repeat(9)) : step(n)));
  const log = await readLog(await folder("long", { "metrics.jsonl": text(events) }));
  expect(log.columns.step).toHaveLength(2700);
  expect(log.columns.end).toBe(bytes(text(events)));
  expect(log.samples).toHaveLength(300);
  expect(log.samples.every(({ text }) => text === "ä€🙂".repeat(9))).toBe(true);
});

test("llm.c's main.log is a log too", async () => {
  const log = [val(0, 5.5), ...[0, 1].map((n) => step(n, 5 - n / 4))].map(toLogLine).join("");
  const columns = await readColumns(await folder("llmc", { "main.log": `${log}s:2 eval:0.25\n` }));
  expect(columns).toMatchObject({ loss: Float32Array.of(5, 4.75), valLoss: Float32Array.of(5.5), broken: 0 });
  expect([...columns.tokensPerSecond]).toEqual([Number.NaN, Number.NaN]);
});

test("a run that has not begun has no rows; what is no run is refused", async () => {
  const { step: steps, end } = await readColumns(await folder("new", { "config.json": "{}" }));
  expect([steps.length, end]).toEqual([0, 0]);
  await expect(readColumns(await folder("foreign", {}))).rejects.toThrow(InputError);
});

test("columns survive serialization, and continue from there", async () => {
  const begin = text([val(0, 5.5), step(0), step(1)]);
  const columns = await readColumns(await folder("begin", { "metrics.jsonl": begin }));
  const growing = new GrowingColumns(decodeColumns(encodeColumns(columns)));
  expect(growing.columns).toEqual(columns);

  const piece = text([step(1, 3), sample(2, "text"), val(2, 4)]);
  const [from, to] = [bytes(begin), bytes(begin + piece)];
  expect(growing.append({ from, to, lines: piece.trimEnd().split("\n") })).toBe(true);
  const whole = await readColumns(await folder("both", { "metrics.jsonl": begin + piece }));
  expect(growing.columns).toEqual(whole);
  expect(growing.samples).toEqual([{ step: 2, text: "text" }]);
});

test("of a piece that was read in part the rest is added; behind a gap nothing is", () => {
  const lines = [sample(1, "ä"), step(0), step(1), step(2)].map((event) => toJsonLine(event).trimEnd());
  const ends = lines.map((_, n) => bytes(`${lines.slice(0, n + 1).join("\n")}\n`));
  const growing = new GrowingColumns();
  expect(growing.append({ from: 0, to: ends[1], lines: lines.slice(0, 2) })).toBe(true);
  expect(growing.append({ from: 0, to: ends[1], lines: lines.slice(0, 2) })).toBe(true);
  expect(growing.append({ from: ends[2], to: ends[3], lines: lines.slice(3) })).toBe(false);
  expect([...growing.columns.step]).toEqual([0]);
  expect(growing.append({ from: ends[0], to: ends[3], lines: lines.slice(1) })).toBe(true);
  expect([...growing.columns.step]).toEqual([0, 1, 2]);
  expect([growing.columns.end, growing.samples.length]).toEqual([ends[3], 1]);
});

test("columns that grow keep their numbers", () => {
  const growing = new GrowingColumns();
  for (let n = 0; n < 1000; n++)
    growing.append({ from: n, to: n + 1, lines: [`{"event":"step","step":${n},"loss":${n / 2}}`] });
  expect([...growing.columns.loss]).toEqual(Array.from({ length: 1000 }, (_, n) => n / 2));
});

test.each([
  ["nothing", new ArrayBuffer(0)],
  ["a cut end", encodeColumns(new GrowingColumns().columns).slice(0, 30)],
  ["other bytes", new Float64Array([1, 2, 3, 4]).buffer],
  ["numbers that are none", new Float64Array([Number.NaN, 0, 0, 0]).buffer],
])("bytes that are no columns are refused: %s", (_, buffer) => {
  expect(() => decodeColumns(buffer)).toThrow(InputError);
});
