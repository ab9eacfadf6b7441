import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { StepEvent } from "../../src/train/events.ts";
import { Outbox } from "./outbox.ts";
import type { EngineUpdate } from "./protocol.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const step = (step: number): StepEvent => ({
  type: "step",
  step,
  ...{ loss: 1, learningRate: 1e-3, norm: 1, ms: 10, tokensPerSecond: 1000 },
});

test("a hundred steps a second arrive in few updates, none of them lost", () => {
  const outbox = new Outbox();
  const updates: EngineUpdate[] = [];
  outbox.subscribe((update) => updates.push(update));
  for (let i = 0; i < 100; i++) {
    outbox.event(step(i));
    vi.advanceTimersByTime(10);
  }
  vi.advanceTimersByTime(1000);
  expect(updates.length).toBeLessThanOrEqual(5);
  expect(updates.flatMap(({ events }) => events.map(({ step }) => step))).toEqual([...Array(100).keys()]);
});

test("a new listener gets the whole state, and then changes only", () => {
  const outbox = new Outbox();
  outbox.change({ state: { phase: "creating" }, unsaved: "full" });
  expect(outbox.subscribe(() => {})).toMatchObject({ state: { phase: "creating" }, unsaved: "full" });
  const updates: EngineUpdate[] = [];
  expect(outbox.subscribe((update) => updates.push(update))).toMatchObject({ unsaved: "full" });
  outbox.change({ unsaved: null });
  outbox.remark("saved again");
  vi.advanceTimersByTime(100);
  expect(updates).toEqual([{ unsaved: null, events: [], remarks: ["saved again"] }]);
  expect(outbox.status).toEqual({ state: { phase: "creating" }, unsaved: null });
});

test("a failed task ends its activity", async () => {
  const outbox = new Outbox();
  const failing = outbox.during("opening", async (onProgress) => {
    onProgress(0.5);
    expect(outbox.status.activity).toEqual({ what: "opening", share: 0.5 });
    throw new Error("damaged");
  });
  await expect(failing).rejects.toThrow("damaged");
  expect(outbox.status.activity).toBeNull();
});

test("of tasks within others the newest is shown, and after it those that are still under way", async () => {
  const outbox = new Outbox();
  const part = { name: "forward, small", number: 3, of: 11 };
  let endReading = () => {};
  const reading = outbox.during("preparing", () => new Promise<void>((resolve) => (endReading = resolve)));
  await outbox.during("measuring", async (onProgress) => {
    onProgress(0.5);
    await outbox.during("starting", async (onStart) => {
      onStart(0.2, part);
      expect(outbox.status.activity).toEqual({ what: "starting", share: 0.2, part });
      endReading();
      await reading;
      expect(outbox.status.activity).toEqual({ what: "starting", share: 0.2, part });
    });
    expect(outbox.status.activity).toEqual({ what: "measuring", share: 0.5 });
  });
  expect(outbox.status.activity).toBeNull();
});

test("other changes do not wait for the steps' interval", () => {
  const outbox = new Outbox();
  const updates: EngineUpdate[] = [];
  outbox.subscribe((update) => updates.push(update));
  outbox.event(step(0));
  outbox.remark("now");
  vi.advanceTimersByTime(100);
  expect(updates).toMatchObject([{ events: [{ step: 0 }], remarks: ["now"] }]);
  vi.advanceTimersByTime(1000);
  expect(updates).toHaveLength(1);
});
