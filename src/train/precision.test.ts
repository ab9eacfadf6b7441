// Mixed precision, on the reference backend: what is stored in bfloat16, what is not, and what that changes.
import { afterEach, beforeEach, expect, test } from "vitest";
import { CountingBackend } from "../../test/counting-backend.ts";
import { CountingBatches } from "../../test/counting-batches.ts";
import { bits, collect, readSet } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import { fromBfloat16, toBfloat16 } from "../backend/bfloat16.ts";
import { NotFiniteError, UsageError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { memoryNeeded } from "../model/memory.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { TensorSet } from "../model/tensor-set.ts";
import { allocLossWorkspace, allocStepWorkspace } from "../model/workspace.ts";
import type { TrainerOptions } from "./options.ts";
import { Trainer } from "./trainer.ts";

const [B, T] = [2, 8];
const config = makeConfig({ maxT: 12, V: 30, L: 2, NH: 2, C: 16 });

let backend: CountingBackend;
let model: GPT2;
beforeEach(async () => {
  backend = new CountingBackend();
  model = await GPT2.create(config, { backend });
});
afterEach(() => model.dispose());

/** Losses of training; with `valLoader`, validation losses among them. */
async function lossesOf(
  trainer: Trainer,
  steps: number,
  validates = false,
  loader = new CountingBatches(B, T),
): Promise<number[]> {
  const valLoader = validates ? new CountingBatches(1, T) : undefined;
  const events = await collect(trainer.run(loader, { steps, valLoader, valBatches: 1 }));
  return events.flatMap((event) => (event.type === "step" || event.type === "val" ? [event.loss ?? Number.NaN] : []));
}

const trained = async (options: TrainerOptions, steps = 40) => {
  const fresh = await GPT2.create(config, { backend: new CountingBackend() });
  return lossesOf(new Trainer(fresh, { learningRate: 3e-3, ...options }), steps, true);
};

test("losses are those of fp32 within a hundredth, and not its bits", async () => {
  for (const accumulate of [1, 3]) {
    const [single, mixed] = [await trained({ accumulate }), await trained({ accumulate, precision: "bf16" })];
    const [first, last] = [single[0], single[single.length - 1]];
    expect(first - last).toBeGreaterThan(0.5);
    const differences = mixed.map((loss, i) => Math.abs(loss - single[i]));
    expect(Math.max(...differences)).toBeLessThan(1e-2);
    expect(Math.max(...differences)).toBeGreaterThan(1e-6);
  }
});

test("AdamW updates float32 weights: their small changes add up", async () => {
  const before = await readSet(backend, model.parameters.weights);
  await lossesOf(new Trainer(model, { learningRate: 1e-6, precision: "bf16" }), 3);
  const after = await readSet(backend, model.parameters.weights);
  const changed = after.wte.filter((value, i) => value !== before.wte[i]).length;
  expect(changed).toBeGreaterThan(0.9 * config.V * config.C);
  expect(after.fcw).not.toEqual(fromBfloat16(toBfloat16(after.fcw)));
});

test("weights that were written between two runs count", async () => {
  const trainer = new Trainer(model, { precision: "bf16" });
  const [first] = await lossesOf(trainer, 1);
  for (const { tensor } of model.parameters.weights.entries) backend.fill(tensor, 0);
  const [second] = await lossesOf(trainer, 1);
  expect(second).toBeCloseTo(Math.log(config.V), 5);
  expect(second).not.toBe(first);
});

test("what is announced is what is allocated: less for activations, a copy of the matrices more", async () => {
  const plan = (precision: "fp32" | "bf16") =>
    ({ optimizer: true, precision, train: { B, T, accumulate: 2 }, evaluate: { B: 1, T } }) as const;
  const counting = new CountingBackend();
  const memory = new TensorScope(counting);
  const weights = new TensorSet(memory, config);
  for (let i = 0; i < 3; i++) new TensorSet(memory, config);
  const copy = new TensorSet(memory, config, "bf16", weights);
  allocStepWorkspace(memory, config, B, T, 2, "bf16");
  allocLossWorkspace(memory, config, 1, T, "bf16");
  expect(counting.bytes).toBe(memoryNeeded(counting, config, plan("bf16")));
  expect(copy.wte.dtype).toBe("bf16");
  expect(copy.lnf.weight).toBe(weights.lnf.weight);
  // Without the parameters, which both have, activations of a large batch take two thirds.
  const activations = (precision: "fp32" | "bf16") => {
    const needed = (B: number) => memoryNeeded(counting, config, { ...plan(precision), train: { B, T } });
    return needed(101) - needed(1);
  };
  expect(activations("bf16") / activations("fp32")).toBeLessThan(2 / 3);
});

test("a run needs no more than its plan", async () => {
  const needed = memoryNeeded(backend, config, { optimizer: true, precision: "bf16", train: { B, T } });
  const run = (memoryLimit: number) => {
    backend.memoryLimit = memoryLimit;
    const trainer = new Trainer(model, { precision: "bf16" });
    return collect(trainer.run(new CountingBatches(B, T), { steps: 1, sampleEvery: 0 }));
  };
  await expect(run(needed - 1)).rejects.toThrow("This run needs");
});

test("overflow is found as NaN is", async () => {
  backend.fill(model.parameters.weights.lnf.weight, 3e38);
  const run = lossesOf(new Trainer(model, { precision: "bf16" }), 1);
  await expect(run).rejects.toThrow(NotFiniteError);
});

test("trainers continue one another in either precision, with moments and state as they are", async () => {
  const mixed = new Trainer(model, { precision: "bf16" });
  const loader = new CountingBatches(B, T);
  await lossesOf(mixed, 3, false, loader);
  const weightBits = async () => bits(await readSet(backend, model.parameters.weights));
  const before = await weightBits();
  const single = new Trainer(model);
  single.restore(mixed.state());
  const [{ m, v }, from] = [single.moments(), mixed.moments()];
  for (const [to, own] of [
    [m, from.m],
    [v, from.v],
  ])
    for (const [i, tensor] of own.blocks.entries()) await backend.write(to.blocks[i], await backend.read(tensor));
  expect(await weightBits()).toEqual(before);
  const [next] = await lossesOf(single, 1, false, loader);
  const again = new Trainer(await GPT2.create(config, { backend: new CountingBackend() }), { precision: "bf16" });
  const expected = await lossesOf(again, 4);
  expect(Math.abs(next - expected[3])).toBeLessThan(1e-2);
});

test("a backend without it, and widths that do not fill vectors, are refused by name", async () => {
  const lacking = Object.assign(new CountingBackend(), { name: "own", precisions: ["fp32"] });
  const other = await GPT2.create(config, { backend: lacking as CountingBackend });
  expect(() => new Trainer(other, { precision: "bf16" })).toThrow(UsageError);
  expect(() => new Trainer(other, { precision: "bf16" })).toThrow(
    "The own backend trains in fp32, not in bf16. Leave --precision out, or choose a backend that has it: webgpu, reference",
  );
  const odd = await GPT2.create(makeConfig({ maxT: 8, V: 30, L: 1, NH: 2, C: 24 }), { backend });
  expect(() => new Trainer(odd, { precision: "bf16" })).toThrow(
    /multiple of 8 channels, and this model has heads of 12/,
  );
  expect(() => new Trainer(model, { precision: "fp16" as "bf16" })).toThrow("expected one of fp32, bf16");
});
