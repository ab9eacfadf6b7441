import { expect, test, vi } from "vitest";
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

test("waits that follow each other sleep once in each turn", async () => {
  const sleep = vi.spyOn(Atomics, "wait");
  for (let i = 0; i < 20; i++) await gpu.wait(Promise.resolve());
  let isOver = false;
  const wait = gpu.wait(new Promise((resolve) => setTimeout(resolve, 50))).then(() => {
    isOver = true;
  });
  const sleeps: number[] = [];
  while (!isOver) {
    sleep.mockClear();
    await new Promise(setImmediate);
    sleeps.push(sleep.mock.calls.length);
  }
  await wait;
  sleep.mockRestore();
  expect(sleeps.length).toBeGreaterThan(2);
  expect(Math.max(...sleeps)).toBe(1);
});
