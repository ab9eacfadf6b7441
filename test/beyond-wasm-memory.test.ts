// Models that exceed the WebAssembly memory: what does not fit is outside of it, and every bit is the same. An artificial limit
// makes small models exceed it.
import { afterAll, describe, expect, test } from "vitest";
import { GPT2 } from "../src/api/gpt2.ts";
import { type Backend, type Usage, view } from "../src/backend/backend.ts";
import type { BackendOptions } from "../src/backend/entry.ts";
import { createBackend } from "../src/backend/registry.ts";
import { Block } from "../src/backend/wasm/tensor-memory.ts";
import { Scorer } from "../src/eval/scorer.ts";
import { makeConfig } from "../src/model/config.ts";
import { memoryNeeded } from "../src/model/memory.ts";
import { everything } from "./everything.ts";
import { collect } from "./fixtures.ts";

const config = makeConfig({ maxT: 10, V: 50, L: 5, NH: 2, C: 12 });
/** Tensors of more than one piece, and parts of one at their ends. */
const wide = makeConfig({ maxT: 10, V: 50, L: 3, NH: 2, C: 160 });

const started: Backend[] = [];
afterAll(() => Promise.all(started.map((backend) => backend.dispose())));

async function start(options: BackendOptions): Promise<Backend> {
  const backend = await createBackend("wasm", { kernel: "relaxed-6x8", threads: 2, ...options });
  started.push(backend);
  return backend;
}

const whole = await start({});
const needed = memoryNeeded(whole, config, { optimizer: true, train: { B: 2, T: 9, accumulate: 2 } });
const expected = await everything(whole, config);

describe("training, generating and scoring give the same bits", () => {
  test.each([0, 0.1, 0.3, 0.5, 0.8, 0.95])("with %f of the memory inside", async (share) => {
    const backend = await start({ wasmMemory: Math.floor(share * needed) });
    expect(await everything(backend, config)).toEqual(expected);
  });

  test("without shared memory", async () => {
    const backend = await start({ wasmMemory: Math.floor(0.4 * needed), shared: false });
    expect(await everything(backend, config)).toEqual(expected);
  });

  test("of tensors that are copied in several pieces", async () => {
    expect(await everything(await start({ wasmMemory: 0 }), wide)).toEqual(await everything(whole, wide));
  });

  test.each(["bf16", "int8"] as const)("of weights in %s", async (weights) => {
    const written = async (backend: Backend) => {
      const model = await GPT2.create(wide, { backend, weights });
      const scorer = new Scorer(model, wide.maxT);
      return {
        samples: await collect(model.generateSamples([1, 2, 3], { samples: 2, maxTokens: 9 })),
        scores: await scorer.score([{ tokens: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], from: 1 }]),
      };
    };
    const backend = await start({ wasmMemory: 0 });
    expect(await written(backend)).toEqual(await written(whole));
  });
});

describe("the WebAssembly memory is left", () => {
  const bytes = 4096;
  const isOutside = ({ buffer }: { buffer: object }) => buffer instanceof Block && buffer.isOutside;

  async function allocated(room: number, ...usages: Usage[]) {
    const backend = await start({ wasmMemory: room * bytes });
    const tensors = usages.map((usage) => backend.alloc([bytes / 4], "f32", usage));
    return { backend, tensors, outside: usages.filter((_, i) => isOutside(tensors[i])) };
  }

  test("by nothing, as long as it has room", async () => {
    const { outside } = await allocated(4, "moments", "weights", "gradients", "activations");
    expect(outside).toEqual([]);
  });

  test.each([
    [3, ["moments"]],
    [2, ["gradients", "moments"]],
    [1, ["weights", "gradients", "moments"]],
    [0, ["weights", "gradients", "moments", "activations"]],
  ] as const)("with room for %i of four by %j", async (room, leaving) => {
    const { outside } = await allocated(room, "weights", "gradients", "moments", "activations");
    expect(outside).toEqual(leaving);
  });

  test("by what was allocated last, of one kind, with its contents", async () => {
    const { backend, tensors } = await allocated(3, "weights", "weights", "weights");
    const [first, second, third] = tensors;
    for (const [i, tensor] of tensors.entries()) backend.fill(tensor, i + 1);
    const before = backend.read(third); // reads from the old place, in time
    const activations = backend.alloc([bytes / 4]);
    backend.fill(view(activations, 1, [bytes / 4 - 1]), 7);
    expect([first, second, third, activations].map(isOutside)).toEqual([false, false, true, false]);
    for (const [i, tensor] of tensors.entries()) expect([...new Set(await backend.read(tensor))]).toEqual([i + 1]);
    expect([...new Set(await before)]).toEqual([3]);
    expect((await backend.read(view(activations, 0, [2]))).slice()).toEqual(Float32Array.of(0, 7));
  });

  test("and what was outside is free for others, as zeros", async () => {
    const { backend, tensors } = await allocated(0, "weights");
    const used = backend.memoryUsed;
    for (let i = 0; i < 100; i++) {
      const large = backend.alloc([2 ** 24], "f32", "moments"); // 64 MiB
      expect((await backend.read(view(large, 2 ** 23, [4])))[0]).toBe(0);
      backend.fill(view(large, 2 ** 23, [4]), 1);
      await backend.free(large);
    }
    expect(backend.memoryUsed).toBeLessThan(used + 2 ** 24);
    expect((await backend.read(tensors[0])).every((value) => value === 0)).toBe(true);
  });
});
