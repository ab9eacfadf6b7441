import { expect, test } from "vitest";
import { type CurvesOptions, curvesSvg } from "./curves.ts";

const points = (values: readonly number[], every = 1) => values.map((value, at) => ({ step: at * every, value }));
const falling = (count: number, end: number) =>
  Array.from({ length: count }, (_, step) => end + 3 * Math.exp((-8 * step) / count) + 0.1 * Math.sin(step * step));
const draw = (curves: Parameters<typeof curvesSvg>[0], options: Partial<CurvesOptions> = {}) =>
  curvesSvg(curves, { title: "Loss", quantity: "loss", ...options });

const two = [
  { name: "a <b> & c", train: points(falling(500, 1)), val: points(falling(6, 1.2), 100) },
  { name: "d", train: points(falling(300, 2)), val: [] },
];

/** Every number of a path that is drawn, as pairs. */
const coordinates = (svg: string) =>
  Array.from(svg.matchAll(/d="M([\d.]+ [\d.]+(?:L[\d.]+ [\d.]+)+)"/g), (m) => m[1].split("L").map((p) => p.split(" ")));

test("a picture has every run's line, dots, name and last values, and no NaN", () => {
  const svg = draw(two);
  // Each tag is closed, and names cannot become tags.
  expect(svg.match(/<(?!\/)[^>]*[^/]>/g)?.length).toBe(svg.match(/<\/[^>]+>/g)?.length);
  expect(svg).toContain("a &lt;b&gt; &amp; c".replace("&gt;", ">"));
  expect(svg.match(/<circle /g)).toHaveLength(6);
  // Smoothed and faint for each, and the validations of one.
  expect(coordinates(svg)).toHaveLength(5);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(svg).toContain("prefers-color-scheme:dark");
  for (const text of ["updates", "loss", "best validation", "500", "300"]) expect(svg).toContain(`>${text}<`);
});

test("lines stay in the picture, and a long run's has no more points than pixels", () => {
  const svg = draw([{ name: "long", train: points(falling(100_000, 1)), val: points(falling(1000, 1), 100) }]);
  expect(svg.length).toBeLessThan(50_000);
  for (const line of coordinates(svg)) {
    expect(line.length).toBeLessThanOrEqual(844);
    for (const [x] of line) expect(Number(x)).toBeLessThanOrEqual(936);
  }
  expect(svg).not.toContain("<circle ");
});

test("one outlier does not flatten the rest", () => {
  const train = points(falling(1000, 1));
  train[700] = { step: 700, value: 1e6 };
  expect(draw([{ name: "", train, val: [] }], { smooth: 0 })).toContain("outliers are cut");
});

test("what is smoothed or logarithmic says so, or shows it", () => {
  const unsmoothed = draw(two, { smooth: 0 });
  expect(draw(two)).toContain("smoothed");
  expect(unsmoothed).not.toContain("smoothed");
  expect(coordinates(unsmoothed)).toHaveLength(3);
  const log = draw([{ name: "norm", train: points([0, 0.1, 1, 1000]), val: [] }], { log: true });
  expect(log).toContain(">100<");
  expect(log).not.toMatch(/NaN|Infinity/);
});

test("a single point, a flat line and validations alone can be drawn", () => {
  for (const values of [[2], [2, 2, 2], [0, 0]])
    for (const log of [false, true])
      expect(draw([{ name: "", train: points(values), val: [] }], { log })).not.toMatch(/NaN|Infinity/);
  const svg = draw([{ name: "", train: [], val: points([3, 2, 1]) }]);
  expect(svg.match(/<circle /g)).toHaveLength(3);
  expect(svg).not.toContain("line:");
});
