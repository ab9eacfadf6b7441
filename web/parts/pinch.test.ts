import type uPlot from "uplot";
import { expect, test } from "vitest";
import { Pinch } from "./pinch.ts";

/** Curves from 20 on, 100 pixels wide, that show x from 1 to 1000. */
function plotOf(distr: 1 | 3) {
  const at = (left: number) => (distr === 3 ? 1000 ** (left / 100) : 1 + 9.99 * left);
  const over = { getBoundingClientRect: () => ({ left: 20 }), clientWidth: 100 };
  return { over, scales: { x: { distr } }, posToVal: at } as unknown as uPlot;
}

const finger = (pointerId: number, left: number, pointerType = "touch") =>
  ({ pointerType, pointerId, clientX: 20 + left }) as PointerEvent;

test.each([1, 3] as const)("the x under each of two fingers stays under it (distribution %i of x)", (distr) => {
  const plot = plotOf(distr);
  const pinch = new Pinch();
  pinch.down(plot, finger(1, 60));
  expect(pinch.move(plot, finger(1, 50))).toBeUndefined();
  pinch.down(plot, finger(2, 25));
  expect(pinch.isActive).toBe(true);
  pinch.move(plot, finger(1, 100));
  const [low, high] = pinch.move(plot, finger(2, 0)) ?? [0, 0];
  expect(low).toBeCloseTo(plot.posToVal(25, "x"), 9);
  expect(high).toBeCloseTo(plot.posToVal(50, "x"), 9);
  // At the same place they would select nothing.
  expect(pinch.move(plot, finger(2, 100))).toBeUndefined();
  pinch.up(finger(2, 100));
  expect(pinch.isActive).toBe(false);
  expect(pinch.move(plot, finger(1, 10))).toBeUndefined();
});

test("a mouse and a third finger are ignored", () => {
  const plot = plotOf(1);
  const pinch = new Pinch();
  pinch.down(plot, finger(1, 10, "mouse"));
  pinch.down(plot, finger(2, 10));
  expect(pinch.isActive).toBe(false);
  pinch.down(plot, finger(3, 50));
  pinch.down(plot, finger(4, 90));
  const range = pinch.move(plot, finger(3, 50));
  expect(range?.[0]).toBeCloseTo(1, 9);
  expect(pinch.move(plot, finger(4, 20))).toEqual(range);
});
