// Models of every shape through both formats and all number types: each comes back bit for bit where the type allows.
import fc from "fast-check";
import { expect, test } from "vitest";
import { MemorySink } from "../../test/memory-sink.ts";
import { architecture, configProblem, type GPT2Config, makeConfig, usualConfig } from "../model/config.ts";
import { parametersOf, type TensorName } from "../model/parameters.ts";
import { openSource } from "../platform/node-files.ts";
import { readModel, writeModel } from "./model.ts";
import { bytesPer, type FileDType, fromFloat32, toFloat32 } from "./numbers.ts";
import { readSafetensorsModel, writeSafetensors } from "./safetensors.ts";
import { streamOf, type TensorStream } from "./tensors.ts";

type Tensors = Readonly<Record<TensorName, Float32Array>>;

/** Any bits at all, NaN and infinity among them, rounded to what `dtype` holds. The padding of wte is zero. */
function randomTensors(config: GPT2Config, dtype: FileDType, seed: number): Tensors {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
  const entries = parametersOf(config).map(({ name, size, padding }) => {
    const random = Uint8Array.from({ length: size * bytesPer[dtype] }, next);
    const values = toFloat32(random, dtype);
    values.fill(0, size - padding);
    return [name, values] as const;
  });
  return Object.fromEntries(entries) as Record<TensorName, Float32Array>;
}

/** A model in a file of bytes: how it is written and read there. */
const formats = {
  async bin(model: TensorStream, dtype: FileDType) {
    const sink = new MemorySink();
    await writeModel(sink, model, dtype === "f16" ? "f32" : dtype);
    const source = await openSource(sink.bytes);
    return readModel(source);
  },
  async safetensors(model: TensorStream, dtype: FileDType) {
    const sink = new MemorySink();
    await writeSafetensors(sink, model, dtype);
    const source = await openSource(sink.bytes);
    const read = await readSafetensorsModel(source);
    expect(read.dtype).toBe(dtype);
    return read;
  },
};

const inMemory = (config: GPT2Config, tensors: Tensors) =>
  streamOf(config, async (name, start, length) => tensors[name].subarray(start, start + length));

/** Every bit of a model as float32, in order. */
async function bitsOf({ readTensors }: TensorStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await readTensors(async (_name, _start, data) => void chunks.push(Buffer.from(fromFloat32(data, "f32").slice())));
  return Buffer.concat(chunks);
}

const sizes = fc
  .record({
    maxT: fc.integer({ min: 1, max: 9 }),
    V: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(127, 128, 129)),
    L: fc.integer({ min: 1, max: 3 }),
    NH: fc.integer({ min: 1, max: 3 }),
    perHead: fc.integer({ min: 1, max: 12 }),
  })
  .map(({ perHead, ...rest }) => ({ ...rest, C: rest.NH * perHead }));
const dtypes = fc.constantFrom<FileDType>("f32", "bf16", "f16");
const seeds = fc.nat();

test("what .bin can hold goes from either format to the other and back", async () => {
  const route = fc.array(fc.constantFrom("bin", "safetensors"), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(sizes, dtypes, route, seeds, async (size, dtype, formatNames, seed) => {
      const config = makeConfig(size);
      let model = inMemory(config, randomTensors(config, dtype, seed));
      const expected = await bitsOf(model);
      for (const name of formatNames) model = await formats[name](model, dtype);
      expect(model.config).toEqual(config);
      expect(expected.equals(await bitsOf(model))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test("what only safetensors can hold comes back from there, its config as well", async () => {
  const others = fc.record({
    hidden: fc.integer({ min: 1, max: 40 }),
    epsilon: fc.constantFrom(1e-5, 1e-6, 1e-12, 0.1),
    gelu: fc.constantFrom("tanh" as const, "erf" as const),
    ...Object.fromEntries(
      Object.entries<readonly string[]>(architecture).map(([name, values]) => [name, fc.constantFrom(...values)]),
    ),
  });
  await fc.assert(
    fc.asyncProperty(sizes, others, dtypes, seeds, async (size, other, dtype, seed) => {
      // An option may ask something of the sizes.
      fc.pre(configProblem({ ...usualConfig(size), ...size, ...other }) === undefined);
      const config = makeConfig({ ...size, ...other });
      const model = inMemory(config, randomTensors(config, dtype, seed));
      const again = await formats.safetensors(model, dtype);
      expect(again.config).toEqual(config);
      expect((await bitsOf(model)).equals(await bitsOf(again))).toBe(true);
    }),
    { numRuns: 60 },
  );
});
