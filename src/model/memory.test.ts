import { expect, test } from "vitest";
import { CountingBackend } from "../../test/counting-backend.ts";
import type { BackendLimits } from "../backend/backend.ts";
import { MemoryError } from "../errors.ts";
import { makeConfig, presetConfig } from "./config.ts";
import { fittingBatch, heldByOthers, memoryNeeded, memoryParts, requireMemory } from "./memory.ts";
import { TensorScope, withTensors } from "./tensor-scope.ts";
import { TensorSet } from "./tensor-set.ts";
import {
  type Allocator,
  allocDecodeWorkspace,
  allocInspectWorkspace,
  allocLossWorkspace,
  allocStepWorkspace,
} from "./workspace.ts";

const config = makeConfig({ maxT: 32, V: 100, L: 2, NH: 2, C: 16 });

test("what is announced is what is allocated, and workspaces give all of it back", async () => {
  const backend = new CountingBackend();
  for (let i = 0; i < 4; i++) new TensorSet(backend, config);
  const parameters = backend.bytes;
  expect(memoryNeeded(backend, config, { optimizer: true })).toBe(parameters);
  const workspaces = new TensorScope(backend);
  allocStepWorkspace(workspaces, config, 2, 8, 3);
  allocLossWorkspace(workspaces, config, 3, 4);
  allocDecodeWorkspace(workspaces, config, 20);
  allocInspectWorkspace(workspaces, config, 7);
  const plan = {
    optimizer: true,
    train: { B: 2, T: 8, accumulate: 3 },
    evaluate: { B: 3, T: 4 },
    decode: { S: 20 },
    inspect: { T: 7 },
  };
  expect(memoryNeeded(backend, config, plan)).toBe(backend.bytes);
  await workspaces.free();
  expect(backend.bytes).toBe(parameters);
});

test("a run that cannot fit is refused with the sum and the way out", () => {
  const backend = new CountingBackend();
  const plan = { optimizer: true, train: { B: 4, T: 32 } };
  backend.memoryLimit = memoryNeeded(backend, config, plan);
  requireMemory(backend, config, plan);
  backend.memoryLimit--;
  expect(() => requireMemory(backend, config, plan)).toThrow(MemoryError);
  expect(() => requireMemory(backend, config, plan)).toThrow("-d, which keeps an update's tokens by accumulating");
  expect(() => requireMemory(backend, config, plan)).toThrow("A batch of 3 (-b 3) would fit.");
  expect(fittingBatch(backend, config, plan)).toBe(3);
  backend.memoryLimit = memoryNeeded(backend, config, { ...plan, train: { B: 1, T: 16 } });
  expect(() => requireMemory(backend, config, plan)).toThrow("A batch of 1 with blocks of 16 (-b 1 -t 16) would fit.");
  backend.memoryLimit = memoryNeeded(backend, config, plan) - 1;
  expect(() => requireMemory(backend, config, { ...plan, train: undefined, decode: { S: 9999, B: 9999 } })).toThrow(
    "Fewer texts at once need less.",
  );
  expect(() => requireMemory(backend, config, { ...plan, inspect: { T: 7 } })).toThrow("A shorter prompt needs less");
  backend.memoryLimit = 1000;
  expect(() => requireMemory(backend, config, plan)).toThrow(/parameters alone take .* choose a smaller model/);
});

test("a preset that would fit is named", () => {
  const backend = new CountingBackend();
  const plan = { optimizer: true, train: { B: 4, T: 64 } };
  const [d12, d24] = ["d12", "d24"].map((name) => presetConfig(name, 50257));
  if (!d12 || !d24) throw new Error("there are no such presets");
  backend.memoryLimit = memoryNeeded(backend, d12, plan);
  expect(() => requireMemory(backend, d24, plan)).toThrow(
    /parameters alone take 5\.68 GB with .* moments: choose a smaller model: d12, with 124,\d+,\d+ parameters, would fit\.$/,
  );
  backend.memoryLimit = 1000;
  expect(() => requireMemory(backend, d24, plan)).toThrow(/choose a smaller model\.$/);
});

test("what the machine has free counts, for what is not allocated yet", () => {
  const backend = new CountingBackend();
  const plan = { optimizer: true, train: { B: 4, T: 32 } };
  backend.memoryAvailable = memoryNeeded(backend, config, plan);
  requireMemory(backend, config, plan);
  backend.memoryAvailable--;
  expect(() => requireMemory(backend, config, plan)).toThrow(MemoryError);
  expect(() => requireMemory(backend, config, plan)).toThrow(
    /needs 0\.00 GB of memory, and this machine has 0\.00 GB free: it would swap.* \(-b 3\) would fit\.$/,
  );
  backend.alloc([1]);
  requireMemory(backend, config, plan);
});

test("what others hold counts, and is named", () => {
  const backend = new CountingBackend();
  const plan = { optimizer: true, train: { B: 4, T: 32 } };
  backend.memoryLimit = memoryNeeded(backend, config, plan);
  new TensorSet(backend, config); // the model's own
  expect(heldByOthers(backend, config, {})).toBe(0);
  requireMemory(backend, config, plan, heldByOthers(backend, config, {}));
  backend.alloc([1]);
  expect(heldByOthers(backend, config, {})).toBe(4);
  expect(() => requireMemory(backend, config, plan, 4)).toThrow(/other models and runs have 0.00 GB: dispose of them/);
});

test("a limit of a device is named, with what is needed and had", () => {
  const plan = { optimizer: true, train: { B: 4, T: 32 } };
  const names = { buffer: "maxBufferSize", binding: "maxStorageBufferBindingSize" };
  const refused = (limits: Partial<BackendLimits>) => {
    const backend = new CountingBackend();
    backend.limits = { ...backend.limits, names, ...limits };
    return () => requireMemory(backend, config, plan);
  };
  // 128 rows of 128 logits, in f32.
  const scratch = 4 * 128 * 128;
  expect(refused({ buffer: scratch })).not.toThrow();
  expect(refused({ buffer: scratch - 4 })).toThrow(
    /in one piece, .* can hold .* GB \(maxBufferSize\)\. .*\(-b 3\) would fit/,
  );
  // 64 rows of logits.
  expect(refused({ binding: 4 * 64 * 128 })).not.toThrow();
  expect(refused({ binding: 4 * 64 * 128 - 4 })).toThrow(/at once .* takes .* GB \(maxStorageBufferBindingSize\)/);
});

test("a run's memory by what holds it adds up", () => {
  const backend = new CountingBackend();
  const plan = { optimizer: true, train: { B: 4, T: 32 }, decode: { S: 8 } };
  const { weights, optimizer, activations, sampling, total } = memoryParts(backend, config, plan);
  expect(weights + optimizer + activations + sampling).toBe(total);
  expect(optimizer).toBe(3 * weights);
  const mixed = memoryParts(backend, config, { ...plan, precision: "bf16" });
  expect(mixed.optimizer).toBeGreaterThan(optimizer);
  expect(mixed.activations).toBeLessThan(activations);
});

test("memory comes back whatever happens, even when not all of it could be had", async () => {
  const backend = new CountingBackend();
  const use = () => Promise.reject(new Error("while using it"));
  const allocate = (at: Allocator) => allocInspectWorkspace(at, config, 7);
  await expect(withTensors(backend, allocate, use)).rejects.toThrow("while using it");
  const third = (at: Allocator) => [at.alloc([1]), at.alloc([2]), at.alloc([-1])];
  await expect(withTensors(backend, third, use)).rejects.toThrow(RangeError);
  expect(backend.allocations).toBeGreaterThan(2);
  expect(backend.bytes).toBe(0);
});
