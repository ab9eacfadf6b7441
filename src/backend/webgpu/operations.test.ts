// Cases beyond the suite (backend.test.ts): other tiles, operands larger than a binding, failures.
import { expect, test } from "vitest";
import { CountingBatches } from "../../../test/counting-batches.ts";
import { collect } from "../../../test/fixtures.ts";
import { describeGpu, openGpu } from "../../../test/gpu.ts";
import { GPT2 } from "../../api/gpt2.ts";
import { BackendError, MemoryError, UsageError } from "../../errors.ts";
import { makeConfig } from "../../model/config.ts";
import { Trainer } from "../../train/trainer.ts";
import type { Precision } from "../backend.ts";
import { ReferenceBackend } from "../reference/reference.ts";
import * as cases from "../suite/cases.ts";
import { problemsOf, runCases } from "../suite/run.ts";
import type { Limits } from "./adapter.ts";
import type { WebGpuBackend } from "./backend.ts";
import { createWebGpuBackend } from "./create.ts";
import { tileNames } from "./tile-names.ts";
import { fillSource } from "./wgsl/elementwise.ts";

async function problemsWith(backend: WebGpuBackend, chosen: readonly cases.Case[]): Promise<string[]> {
  const [found, expected] = await Promise.all([runCases(backend, chosen), runCases(new ReferenceBackend(), chosen)]);
  return chosen.flatMap((one, i) => problemsOf(one, found[i], expected[i]).map((problem) => `${one.name}: ${problem}`));
}

describeGpu("webgpu", { timeout: 180_000 }, () => {
  // Whole tiles and the ends of rows and columns; of each form, in vectors.
  test.each(tileNames)("tile %s", async (tile) => {
    const backend = await openGpu(tile);
    const [N, C, OC] = [140, 132, 148];
    const forms = [
      cases.matmulForward(N, C, OC),
      ...(tile === "64x64" ? [cases.matmulBackwardInput(N, C, OC), cases.matmulBackwardWeight(N, C, OC, true)] : []),
    ];
    expect(await problemsWith(backend, forms)).toEqual([]);
  });

  test("a sum over many rows in parts, for a weight's gradient of few tiles", async () => {
    const backend = await openGpu();
    const accumulated = [true, false].map((accumulate) => cases.matmulBackwardWeight(1100, 20, 24, accumulate));
    expect(await problemsWith(backend, accumulated)).toEqual([]);
    expect(backend.counts.dispatches).toBe(2 * 4); // parts and their sum, of weight and bias
  });

  test("operands larger than a binding are cut", async () => {
    const backend = await openGpu(undefined, { maxStorageBufferBindingSize: 4 * 16_384 + 256 });
    const all = [
      cases.fill(40_003),
      cases.adamw(40_000),
      cases.reductions(40_003),
      cases.embedding(2, 3, 2000),
      cases.layernorm(200, 96, false),
      cases.rmsnorm(200, 96, false),
      cases.rotary(3, 60, 4, 32),
      cases.matmulForward(150, 32, 200), // rows of the result
      cases.matmulForward(20, 100, 300), // rows of the weight
      cases.matmulForward(3, 100, 300, true, "bf16"),
      cases.matmulBackwardInput(20, 200, 150), // the same, twice
      cases.matmulBackwardWeight(300, 60, 100, false), // rows that are added up
      cases.attention(3, 60, 4, 16),
      cases.head(40, 120, 150, 160, true, 20),
    ];
    expect(await problemsWith(backend, all)).toEqual([]);
  });

  test("a submit ends after an estimated amount of work", async () => {
    const backend = await openGpu();
    const out = backend.alloc([64]);
    const { submits } = backend.counts;
    const source = () => fillSource(false);
    for (let i = 1; i <= 6; i++)
      backend.run({ key: "fill", source, tensors: [out], u32: [64], f32: [i], grid: [1], flops: 3e9 });
    expect([...(await backend.read(out))]).toEqual(Array(64).fill(6));
    // Two make the tenth of a second that a submit takes on a GPU of 50 GFLOP/s, before its speed is known; then the read.
    expect(backend.counts.submits - submits).toBe(4);
  });

  test("a model that an adapter's limits are too small for is refused: which, how much it has, what would fit", async () => {
    const MiB = 2 ** 20;
    const config = makeConfig({ maxT: 512, V: 300, L: 2, NH: 4, C: 64 });
    const refused = async (limits: Partial<Limits>, B: number, T: number, precision: Precision = "fp32") => {
      const backend = await openGpu(undefined, limits);
      const model = await GPT2.create(config, { backend });
      const before = backend.memoryUsed;
      const trainer = new Trainer(model, { precision });
      const error = await collect(trainer.run(new CountingBatches(B, T), { steps: 1, sampleEvery: 0 })).catch((e) => e);
      expect(error).toBeInstanceOf(MemoryError);
      expect(backend.memoryUsed).toBe(before);
      return String(error);
    };
    // The MLP's hidden layer, (B*T, 256): 8 MiB for 16 sequences of 512 tokens; half of that in 16 bits.
    const buffers = await refused({ maxBufferSize: 4 * MiB }, 16, 512);
    expect(buffers).toContain(
      "needs 0.01 GB in one piece, and a buffer of the webgpu backend can hold 0.00 GB (maxBufferSize)",
    );
    expect(buffers).toContain("A batch of 8 (-b 8) would fit.");
    expect(await refused({ maxBufferSize: 4 * MiB }, 32, 512, "bf16")).toContain("A batch of 16 (-b 16) would fit.");
    const bindings = await refused({ maxStorageBufferBindingSize: 256 * 1024 + 256 }, 1, 512);
    expect(bindings).toContain("(maxStorageBufferBindingSize)");
    expect(bindings).toContain("A batch of 1 with blocks of 256 (-b 1 -t 256) would fit.");
  });

  test("bfloat16 is written between its neighbours", async () => {
    const backend = await openGpu();
    const whole = backend.alloc([9], "bf16");
    await backend.write(whole, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9));
    await backend.write({ ...whole, offset: 3, shape: [4], size: 4 }, Float32Array.of(-4, -5, -6, -7));
    expect([...(await backend.read(whole))]).toEqual([1, 2, 3, -4, -5, -6, -7, 8, 9]);
    expect(() => backend.residualForward(whole, whole, whole)).toThrow(BackendError);
  });

  test("whole numbers are filled", async () => {
    const backend = await openGpu();
    const whole = backend.alloc([8], "i32");
    backend.fill(whole, -7);
    const bits = new Int32Array((await backend.read({ ...whole, dtype: "f32" })).buffer);
    expect([...bits]).toEqual(Array(8).fill(-7));
  });

  test("memory is counted, and given back", async () => {
    const backend = await openGpu();
    const tensor = backend.alloc([1000]);
    expect(backend.memoryUsed).toBe(4000);
    await backend.free(tensor);
    expect(backend.memoryUsed).toBe(0);
    expect(() => backend.fill(tensor, 1)).toThrow("given back");
    expect(() => backend.alloc([2 ** 40])).toThrow(MemoryError);
  });

  test("times operations by the GPU's clock, those that a submit divides too", async (context) => {
    const backend = await openGpu();
    if (!backend.hasTimestamps) return context.skip("the adapter has no timestamp queries");
    const [small, large] = [backend.alloc([4]), backend.alloc([2 ** 20])];
    const fillTwice = () => {
      backend.fill(large, 1);
      backend.submit();
      backend.fill(large, 2);
    };
    const runs = [() => backend.fill(small, 1), () => {}, () => backend.fill(large, 1), fillTwice];
    const [tiny, nothing, once, twice] = await backend.timesOf(runs);
    expect(nothing).toBe(0);
    for (const ms of [tiny, once, twice]) expect(ms).toBeGreaterThan(0);
    expect([...(await backend.read(large)).subarray(0, 2)]).toEqual([2, 2]);
    // More than one set of queries holds.
    const many = await backend.timesOf(Array.from({ length: 2100 }, () => () => backend.fill(small, 3)));
    expect(many).toHaveLength(2100);
    expect(Math.min(...many)).toBeGreaterThan(0);
  });

  test("probes compute what they are said to, and give their memory back", async () => {
    const backend = await openGpu();
    const { all, free } = await backend.probes();
    expect(all.map(({ limit }) => limit)).toEqual(["fma", "copy", "triad", "read", "dispatch", "submit"]);
    const { dispatches } = backend.counts;
    for (const probe of all) probe.run();
    await backend.sync();
    expect(backend.counts.dispatches - dispatches).toBe(6);
    expect(backend.memoryUsed).toBe(3 * 4 * 2 ** 21);
    await free();
    expect(backend.memoryUsed).toBe(0);
  });

  test("after the device is lost, everything says so", async () => {
    const backend = await openGpu();
    const tensor = backend.alloc([4]);
    backend.adapter.device.destroy();
    const error = await backend.read(tensor).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(BackendError);
    expect(String(error)).toMatch(/was lost: .*resume from the last checkpoint/);
    expect(() => backend.fill(tensor, 1)).toThrow("was lost");
    await expect(backend.sync()).rejects.toThrow("was lost");
  });

  test("a command that the GPU refuses is an error at the next wait", async () => {
    const backend = await openGpu();
    const { device } = backend.adapter;
    device.createBuffer({ size: 4, usage: 0x80 }).destroy();
    device.createShaderModule({ code: "no WGSL" });
    await expect(backend.sync()).rejects.toThrow(/refused a command: .*report/);
  });

  /** While `task` runs, drivers compile other code. */
  async function withDriver(change: (code: string) => string, task: () => Promise<void>): Promise<void> {
    const prototype: GPUDevice = Object.getPrototypeOf((await openGpu()).adapter.device);
    const { createShaderModule } = prototype;
    prototype.createShaderModule = function (this: GPUDevice, { code, ...descriptor }) {
      return createShaderModule.call(this, { ...descriptor, code: change(code) });
    };
    try {
      await task();
    } finally {
      prototype.createShaderModule = createShaderModule;
    }
  }

  test("an adapter that computes wrong is refused by its name", async () => {
    await withDriver(
      (code) => code.replace("tanh(", "sin("),
      async () => {
        const error = await createWebGpuBackend({}).catch((error: unknown) => error);
        expect(error).toBeInstanceOf(BackendError);
        expect(String(error)).toMatch(
          /^BackendError: .+ computes wrong: wrong result of geluForward, geluBackward\. Update/,
        );
      },
    );
  });

  test("an adapter whose 16-bit storage is wrong trains in fp32, and is refused by its name for bf16", async () => {
    const config = makeConfig({ maxT: 8, V: 16, L: 1, NH: 2, C: 16 });
    const backend = await openGpu();
    await withDriver(
      (code) => code.replace("upper.xz | (upper.yw << vec2<u32>(16u))", "upper.xz | (upper.yw << vec2<u32>(15u))"),
      async () => {
        const train = async (precision: Precision) => {
          const model = await GPT2.create(config, { backend });
          const trainer = new Trainer(model, { precision });
          return collect(trainer.run(new CountingBatches(1, 8), { steps: 1, sampleEvery: 0 }));
        };
        expect((await train("fp32")).at(-1)).toMatchObject({ type: "done" });
        const { memoryUsed } = backend;
        const wrong = `${backend.device} computes wrong: wrong result of matmulForward, `;
        await expect(train("bf16")).rejects.toThrow(wrong);
        await expect(train("bf16")).rejects.toThrow(wrong);
        expect(backend.memoryUsed - memoryUsed).toBeLessThan(100_000); // two models, and scratch memory that is kept
      },
    );
  });

  test("a tile that does not exist is refused", async () => {
    await expect(createWebGpuBackend({ kernel: "7x7" })).rejects.toThrow(UsageError);
  });
});
