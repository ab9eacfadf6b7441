// Tiles that need a feature of the adapter: SwiftShader refuses them; Mesa's llvmpipe has float16 (25.0) and matrices of it (26.1).
import { expect, test } from "vitest";
import { CountingBatches } from "../../../test/counting-batches.ts";
import { collect } from "../../../test/fixtures.ts";
import { describeGpu, openGpu, problemOfGpu } from "../../../test/gpu.ts";
import { GPT2 } from "../../api/gpt2.ts";
import { BackendError } from "../../errors.ts";
import { makeConfig } from "../../model/config.ts";
import { Trainer } from "../../train/trainer.ts";
import { ReferenceBackend } from "../reference/reference.ts";
import * as cases from "../suite/cases.ts";
import { problemsOf, runCases } from "../suite/run.ts";
import { openAdapter } from "./adapter.ts";
import type { WebGpuBackend } from "./backend.ts";
import { createWebGpuBackend } from "./create.ts";
import { isHalf, isMatrix, type OptionalTileName, optionalTileNames } from "./tile-names.ts";
import { matmulSource } from "./wgsl/matmul.ts";
import { wgslOf } from "./wgsl/source.ts";

/** The reason why this adapter has no such tile. */
const problemOf = new Map<OptionalTileName, string>();
if (!problemOfGpu)
  for (const tile of optionalTileNames)
    await openAdapter({}, tile).then(
      ({ device }) => device.destroy(),
      (error: Error) => problemOf.set(tile, error.message),
    );
const present = optionalTileNames.filter((tile) => !problemOf.has(tile));
// Set by CI where it has brought an adapter with the features.
if (process.env.LLM_TS_TEST_F16 && present.filter(isHalf).length < 2)
  throw new Error(`Kernels of float16 are not tested: ${[...problemOf.values()].join(" ")}`);

describeGpu("webgpu, optional tiles", { timeout: 300_000 }, () => {
  test("a tile without its feature is refused, with what the adapter lacks and what to do", async () => {
    for (const [kernel, message] of problemOf) {
      const error = await createWebGpuBackend({ kernel }).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(BackendError);
      expect(String(error)).toContain(message);
      const lacked =
        /(shader-f16|subgroups|chromium-experimental-subgroup-matrix|subgroup matrices of f32 with sums in f32)/;
      expect(message).toMatch(
        new RegExp(`^.+ has no ${lacked.source}(, no ${lacked.source})*, which the kernel ${kernel} needs\\.`),
      );
      expect(message).toContain("Choose another one, or auto");
    }
  });

  test("without them nothing is asked of the adapter", async () => {
    expect((await openAdapter()).device.features.has("shader-f16")).toBe(false);
  });
});

describeGpu.each(present)("webgpu, %s", { timeout: 300_000 }, (tile) => {
  /** One for all tests: llvmpipe compiles for minutes. */
  const opened = openGpu(tile);
  const tolerance = isHalf(tile) ? 2 ** -7 : 0;

  // In vectors, as in all shapes of models: reading and writing are those of the other tiles, and compile for minutes.
  test("all forms, with bounds of rows and columns, in parts of a long sum", async () => {
    const backend = await opened;
    const chosen = [
      cases.matmulForward(140, 132, 148),
      cases.matmulBackwardInput(140, 132, 148),
      cases.matmulBackwardWeight(140, 132, 148, true),
      cases.matmulBackwardWeight(1100, 20, 24, true),
      cases.head(40, 120, 152, 160, true, 20),
    ];
    const [found, expected] = await Promise.all([runCases(backend, chosen), runCases(new ReferenceBackend(), chosen)]);
    const problems = chosen.flatMap((one, i) =>
      problemsOf(one, found[i], expected[i], tolerance).map((problem) => `${one.name}: ${problem}`),
    );
    expect(problems).toEqual([]);
  });

  /** Results of the three forms for numbers from `of`, on this tile and in double precision. */
  async function resultsFor(of: (i: number) => number, dout: (i: number) => number) {
    const [N, C, OC] = [70, 68, 72];
    const backend = await opened;
    const filled = async (rows: number, columns: number, value: (i: number) => number) => {
      const tensor = backend.alloc([rows, columns]);
      const numbers = Float32Array.from({ length: tensor.size }, (_, i) => value(i));
      await backend.write(tensor, numbers);
      return { tensor, at: (row: number, column: number) => numbers[row * columns + column] };
    };
    const [x, w, dy] = [await filled(N, C, of), await filled(OC, C, of), await filled(N, OC, dout)];
    const results = [backend.alloc([N, OC]), backend.alloc([N, C]), backend.alloc([OC, C])];
    const weight = { weight: w.tensor, bias: null };
    backend.matmulForward(results[0], x.tensor, weight);
    backend.matmulBackwardInput(results[1], dy.tensor, weight);
    backend.matmulBackwardWeight({ weight: results[2], bias: null, accumulate: false }, dy.tensor, x.tensor);
    const exact = (rows: number, columns: number, K: number, term: (r: number, c: number, k: number) => number) =>
      Float32Array.from({ length: rows * columns }, (_, i) => {
        let sum = 0;
        for (let k = 0; k < K; k++) sum += term(Math.floor(i / columns), i % columns, k);
        return sum;
      });
    const expected = [
      exact(N, OC, C, (n, o, c) => x.at(n, c) * w.at(o, c)),
      exact(N, C, OC, (n, c, o) => dy.at(n, o) * w.at(o, c)),
      exact(OC, C, N, (o, c, n) => dy.at(n, o) * x.at(n, c)),
    ];
    return [await Promise.all(results.map((result) => backend.read(result))), expected];
  }

  test("numbers that it holds exactly are multiplied and added exactly: sums are of float32", async () => {
    const whole = (i: number) => ((i * 7919) % 255) - 127;
    const [found, expected] = await resultsFor(whole, (i) => whole(i) / 2 ** 7);
    expect(found).toEqual(expected);
  });

  test("small gradients are scaled into its range", async () => {
    // Below the smallest number of float16, 6e-8, without the scale of 128.
    const small = (i: number) => 2e-8 * (1 + Math.sin(i));
    const [found, expected] = await resultsFor(() => 1, small);
    for (const form of [1, 2])
      for (const [i, wanted] of expected[form].entries())
        expect(Math.abs(found[form][i] - wanted)).toBeLessThan(2 ** -6 * Math.abs(wanted));
  });

  test("twenty updates are within 0.01 of the reference's", async () => {
    const config = makeConfig({ maxT: 16, V: 61, L: 2, NH: 2, C: 32 });
    const lossesOn = async (backend: WebGpuBackend | ReferenceBackend) => {
      const trainer = new Trainer(await GPT2.create(config, { backend }));
      const events = await collect(trainer.run(new CountingBatches(4, 16), { steps: 20, valEvery: 0, sampleEvery: 0 }));
      return events.flatMap((event) => (event.type === "step" ? [event.loss] : []));
    };
    const [found, expected] = [await lossesOn(await opened), await lossesOn(new ReferenceBackend())];
    expect(found).toHaveLength(20);
    for (const [i, loss] of expected.entries()) expect(Math.abs(found[i] - loss)).toBeLessThan(0.01);
    expect(found).not.toEqual(expected);
  });

  test.skipIf(!isMatrix(tile))("matrices of other sizes, and of float32, are valid WGSL", async () => {
    const { device } = (await opened).adapter;
    const form = { kInnerA: true, kInnerB: false, vectorsA: true, vectorsB: false, vectorsC: true, bias: true };
    for (const name of ["matrix-f16", "matrix-f32"] as const)
      for (const [M, N, K] of [
        [8, 8, 8],
        [8, 16, 16],
        [16, 16, 16],
      ]) {
        const source = matmulSource(name, form, { M, N, K, lanes: 32 });
        const places = Object.keys(source.operands).map((_, binding) => ({ binding, dtype: "f32" as const }));
        const { messages } = await device.createShaderModule({ code: wgslOf(source, places) }).getCompilationInfo();
        expect(messages.map(({ message }) => message)).toEqual([]);
      }
  });

  test.skipIf(!isHalf(tile))(
    "numbers beyond its range become infinite, which a run finds as it finds NaN",
    async () => {
      const [[forward]] = await resultsFor(
        (i) => (i === 0 ? 1e5 : 1),
        () => 1,
      );
      expect(forward[0]).toBe(Number.POSITIVE_INFINITY);
      expect(forward[73]).toBeLessThan(200); // row 1
    },
  );
});
