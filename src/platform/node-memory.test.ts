import { freemem, totalmem } from "node:os";
import { afterEach, expect, test, vi } from "vitest";
import { machineMemory } from "./node-memory.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** As in a container with this limit. */
function limitTo(bytes: number): void {
  vi.spyOn(process, "constrainedMemory").mockReturnValue(bytes);
}

test("without a container's limit, the machine's memory counts", () => {
  for (const none of [0, 2 ** 64]) {
    limitTo(none);
    expect(machineMemory.total).toBe(totalmem());
    expect(machineMemory.available()).toBeGreaterThan(0);
  }
});

test("a container's limit counts, less what this process has", () => {
  limitTo(2 ** 30);
  vi.spyOn(process.memoryUsage, "rss").mockReturnValue(2 ** 28);
  expect(machineMemory.total).toBe(2 ** 30);
  expect(machineMemory.available()).toBe(Math.min(2 ** 30 - 2 ** 28, freemem()));
  limitTo(2 ** 27);
  expect(machineMemory.available()).toBe(0);
});
