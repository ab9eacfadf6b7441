import { expect, test } from "vitest";
import { smoothInto } from "../../src/plot/points.ts";
import { decodeColumns, encodeColumns, GrowingColumns } from "../../src/runs/columns.ts";
import { RunData } from "./run-data.ts";

const stepLine = (step: number, loss = 3 - step / 1000) =>
  JSON.stringify({ event: "step", step, loss, lr: 1e-3, norm: 1, ms: 50, tokensPerSecond: 2000 });
const valLine = (step: number, loss: number) => JSON.stringify({ event: "val", step, loss });

/** The columns of a log with these lines, as a source sends them. */
function received(lines: readonly string[]) {
  const growing = new GrowingColumns();
  growing.append({ from: 0, to: lines.join("\n").length + 1, lines });
  return decodeColumns(encodeColumns(growing.columns));
}

const steps = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => stepLine(from + i));

test("appended lines make the same curves as loading all at once", () => {
  const data = new RunData(received(steps(0, 300)), 100);
  data.curve("loss").smoothed(undefined);
  for (let step = 300; step < 1000; step += 100) {
    expect(data.append(steps(step, step + 100), undefined)).toBe(true);
    data.curve("loss").smoothed(undefined);
  }
  const whole = new RunData(received(steps(0, 1000)), 100);
  expect([...data.columns.loss]).toEqual([...whole.columns.loss]);
  const { values } = data.curve("loss").smoothed(20);
  const expected = new Float32Array(1000);
  smoothInto(expected, whole.columns.loss, 1 - 1 / 20);
  expect(values).toEqual(expected);
  expect(data.curve("loss").raw.extremes.find(0, 1000)).toEqual([999, 0]);
});

test("updates repeated after a resume replace the earlier ones", () => {
  const data = new RunData(received([...steps(0, 200), valLine(200, 2.5)]), 100);
  data.curve("loss").smoothed(10);
  expect(data.axis("time")?.values).toHaveLength(200);
  data.append([stepLine(150, 9), stepLine(151, 8), valLine(152, 2.75)], undefined);
  expect(data.columns.step).toHaveLength(152);
  expect([...data.columns.loss.slice(150)]).toEqual([9, 8]);
  const found = data.curve("loss").raw.extremes.find(0, 152);
  expect(found?.[1]).toBe(150);
  expect(data.curve("loss").smoothed(10).values[151]).toBeGreaterThan(3.5);
  expect(data.bestVal).toBe(2.75);
});

test("a piece that does not follow the last one is refused", () => {
  const lines = steps(0, 3);
  const data = new RunData(received(lines), 100);
  const { end } = data.columns;
  expect(data.append([stepLine(5)], { from: end + 200, to: end + 300 })).toBe(false);
  expect(data.columns.step).toHaveLength(3);
});

test("x can be tokens or time if the tokens per update are known", () => {
  const known = new RunData(received([...steps(0, 10), valLine(5, 2), valLine(10, 1)]), 100);
  expect(known.axis("tokens")?.unit).toBe(100);
  // 100 tokens at 2000 a second are 0.05 seconds.
  expect(known.axis("time")?.values[9]).toBeCloseTo(0.5);
  const seconds = Array.from(known.valAxis("time")?.values ?? []);
  expect(seconds[0]).toBeCloseTo(0.25);
  expect(seconds[1]).toBeCloseTo(0.5);
  const unknown = new RunData(received(steps(0, 10)), undefined);
  expect(unknown.axis("tokens")).toBeUndefined();
  expect(unknown.valAxis("time")).toBeUndefined();
  expect(unknown.axis("updates")?.unit).toBe(1);
});
