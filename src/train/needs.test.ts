import { describe, expect, test } from "vitest";
import { type Circumstances, conditions, idleOptions } from "./needs.ts";
import { resolved } from "./resolve.ts";
import type { TrainOption } from "./setting-rules.ts";
import { type RunChoices, trainOptions } from "./settings.ts";

/** Flags of the options chosen that have no effect, refused or meant so. */
function idle(chosen: RunChoices, other: Partial<Circumstances> = {}): Record<"refused" | "meant", string[]> {
  const settings = resolved(chosen, other.processes ?? 1);
  const run = { settings, hasData: true, hasVal: true, isKept: true, processes: 1, ...other };
  const found = { refused: [] as string[], meant: [] as string[] };
  for (const { options, isMeant } of idleOptions(chosen, run))
    found[isMeant ? "meant" : "refused"].push(...options.map(({ flags = "" }) => flags.split(" <")[0]));
  return found;
}

describe("an option has no effect without what it needs", () => {
  // [options, those that are refused, circumstances, what gives them an effect]
  const cases: [RunChoices, string, Partial<Circumstances>, RunChoices | undefined][] = [
    [{ headerless: "uint16" }, "--headerless [type]", { hasData: false }, undefined],
    [{ dataSeed: 43 }, "--data-seed", {}, { order: "random" }],
    [{ warmupSteps: 3 }, "-u, --warmup", {}, { schedule: "cosine" }],
    [{ finalFraction: 0.5 }, "-q, --final-lr-fraction", {}, { model: "baby" }],
    [{ gradDtype: "bf16" }, "--grad-dtype", {}, undefined],
    [{ loraAlpha: 8 }, "--lora-alpha", {}, { loraRank: 4 }],
    [{ loraTargets: "fc" }, "--lora-targets", {}, { loraRank: 4 }],
    [{ weights: "int8" }, "--weights", {}, { loraRank: 4 }],
    [{ valEvery: 5 }, "-v, --val-every", { hasVal: false }, undefined],
    [{ valBatches: 5 }, "-m, --val-batches", { hasVal: false }, undefined],
    [{ finalValBatches: 5 }, "--final-val-batches", { hasVal: false }, undefined],
    [{ earlyStopDelta: 0.1 }, "--early-stop-delta", {}, { earlyStop: 2 }],
    [{ checkpointEvery: 5 }, "-n, --checkpoint-every", { isKept: false }, undefined],
    [{ keep: 5 }, "--keep", { isKept: false }, undefined],
    [{ keepEvery: 5, checkpointEvery: 0 }, "", { isKept: true }, { checkpointEvery: 5 }],
    [{ keepEvery: 5 }, "--keep-every", {}, { checkpointEvery: 5 }],
  ];
  test.each(cases)("%j", (chosen, refused, circumstances, effective) => {
    expect(idle(chosen, circumstances).refused.join()).toBe(refused);
    const able = { hasData: true, hasVal: true, isKept: true, processes: effective ? 1 : 2 };
    expect(idle({ ...chosen, ...effective }, able)).toEqual({ refused: [], meant: [] });
  });

  test("every option of the table that needs something is among them, or meant so below", () => {
    const needing = Object.entries<TrainOption>(trainOptions).filter(([, { needs = [] }]) => needs.length > 0);
    const tried = new Set([...cases.flatMap(([chosen]) => Object.keys(chosen)), "sampleTokens", "sampleSeed"]);
    expect(needing.map(([name]) => name).filter((name) => !tried.has(name))).toEqual([]);
    const needs = new Set(needing.flatMap(([, { needs = [] }]) => needs));
    expect([...needs].sort()).toEqual(Object.keys(conditions).sort());
  });
});

test("whoever turns off what an option needs knows", () => {
  const off = { sampleEvery: 0, sampleTokens: 9, sampleSeed: 1, valEvery: 0, valBatches: 3, order: "file" as const };
  expect(idle({ ...off, dataSeed: 3, schedule: "constant", warmupSteps: 4 })).toEqual({
    refused: [],
    meant: ["-m, --val-batches", "--data-seed", "-u, --warmup", "-g, --sample-tokens", "--sample-seed"],
  });
  expect(idle({ checkpointEvery: 3, keep: 0, keepEvery: 6 }).meant).toEqual(["--keep-every"]);
});

test("defaults, values that mean none, and those of the run before are no mistake", () => {
  expect(idle({ model: "baby", schedule: "constant", order: "file" })).toEqual({ refused: [], meant: [] });
  expect(idle({ depth: 2 }, { hasVal: false, isKept: false })).toEqual({ refused: [], meant: [] });
  const none = { warmupSteps: 0, finalFraction: 0, earlyStopDelta: 0, loraAlpha: 0, gradDtype: "fp32" as const };
  expect(idle({ ...none, weights: "f32", keepEvery: 0, valEvery: 10 }).refused).toEqual([]);
  expect(idle({ valEvery: 0, checkpointEvery: 0 }, { hasVal: false, isKept: false }).refused).toEqual([]);
  expect(idle({ warmupSteps: 3 }, { before: { warmupSteps: 3 } }).refused).toEqual([]);
  expect(idle({ warmupSteps: 3 }, { before: { warmupSteps: 2 } }).refused).toEqual(["-u, --warmup"]);
});

test("a default that is written out asks for nothing", () => {
  const defaults = { dataSeed: 42, loraTargets: "qkv", keep: 2, weights: "f32", earlyStopDelta: 0 } as const;
  expect(idle(defaults, { isKept: false })).toEqual({ refused: [], meant: [] });
});
