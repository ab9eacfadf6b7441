import { expect, test } from "vitest";
import { cellAt, layOut } from "./draw-map.ts";

test("few tokens get large cells, many fill the width", () => {
  expect(layOut(500, 4, 18)).toEqual({ labels: 26, cell: 30, size: 150, every: 1 });
  expect(layOut(504, 200, 42)).toEqual({ labels: 50, cell: 2.25, size: 504, every: 5 });
});

test("short labels still leave space for a line above the cells", () => {
  expect(layOut(500, 4, 7).labels).toBe(22);
});

test("long labels leave three quarters of the width to the cells", () => {
  expect(layOut(400, 100, 900)).toMatchObject({ labels: 108, size: 400 });
});

test("a point outside the cells or above the diagonal has no cell", () => {
  const layout = layOut(500, 4, 18);
  expect(cellAt(layout, 4, 26, 26)).toEqual({ query: 0, key: 0 });
  expect(cellAt(layout, 4, 26 + 61, 26 + 119)).toEqual({ query: 3, key: 2 });
  expect(cellAt(layout, 4, 26 + 61, 26 + 31)).toBeUndefined();
  expect(cellAt(layout, 4, 10, 60)).toBeUndefined();
  expect(cellAt(layout, 4, 30, 26 + 121)).toBeUndefined();
});
