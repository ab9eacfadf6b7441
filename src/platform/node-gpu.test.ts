import { expect, test } from "vitest";
import { gpu } from "./node-gpu.ts";

test("a wait gives the promise's result, and ends with it", async () => {
  expect(await gpu.wait(Promise.resolve(7))).toBe(7);
  await expect(gpu.wait(Promise.reject(new Error("lost")))).rejects.toThrow("lost");
});

test("whoever asks in every turn of the event loop asks seldom during a wait, and timers run", async () => {
  let [turns, ticks, isOver] = [0, 0, false];
  const ask = () => {
    turns++;
    if (!isOver) setImmediate(ask);
  };
  setImmediate(ask);
  const timer = setInterval(() => ticks++, 1);
  const both = [300, 200].map((ms) => gpu.wait(new Promise((resolve) => setTimeout(resolve, ms))));
  await Promise.all(both);
  isOver = true;
  clearInterval(timer);
  // Pauses grow to two milliseconds: about 300. Without them tens of thousands.
  expect(turns).toBeLessThan(2000);
  expect(ticks).toBeGreaterThan(10);
});
