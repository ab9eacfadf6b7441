/** GGUF files: every type by round trip, the layout that llama.cpp reads, and what is refused. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { emptyTensors, fixturePath } from "../../test/fixtures.ts";
import { MemorySink } from "../../test/memory-sink.ts";
import { type GPT2Config, makeConfig } from "../model/config.ts";
import { parametersOf, type TensorName } from "../model/parameters.ts";
import { openSource } from "../platform/node-files.ts";
import { Mt19937 } from "../random/mt19937.ts";
import { normals } from "../random/normal.ts";
import { ggufModel, writeGguf } from "./gguf.ts";
import { type GgmlType, type GgufMetadata, ggmlTypes, makeGgufHeader, readGgufHeader } from "./gguf-file.ts";
import { readModel } from "./model.ts";
import { fromFloat32, fromQ8, toFloat32, toQ8 } from "./numbers.ts";
import { streamOf } from "./tensors.ts";

const config = makeConfig({ L: 2, NH: 2, C: 64, V: 61, maxT: 24 });
const random = new Mt19937(7);
const tensors = emptyTensors(config);
for (const { name, size, padding } of parametersOf(config)) {
  tensors[name].set(randoms(random, size - padding));
}

function randoms(from: Mt19937, count: number): Float32Array {
  const values = new Float32Array(count);
  let start = 0;
  for (const chunk of normals(from, count, 1)) {
    values.set(chunk, start);
    start += chunk.length;
  }
  return values;
}

async function write(type: GgmlType, vocabulary: GgufMetadata = {}, of: GPT2Config = config): Promise<Uint8Array> {
  const sink = new MemorySink();
  const stream = streamOf(of, async (name, start, length) => tensors[name].slice(start, start + length));
  await writeGguf(sink, stream, type, vocabulary);
  return sink.bytes;
}

async function read(bytes: Uint8Array) {
  const source = await openSource(bytes);
  const header = await readGgufHeader(source);
  const model = ggufModel(source, header);
  const found = emptyTensors(model.config);
  await model.readTensors(async (name, start, data) => found[name].set(data, start));
  return { ...header, config: model.config, type: model.type, found };
}

/** Matrices and wte lose what the type loses; everything else is exact. */
function rounded(name: TensorName, type: GgmlType): Float32Array {
  const isMatrix = parametersOf(config).some((tensor) => tensor.name === name && tensor.bf16);
  if (!isMatrix || type === "f32") return tensors[name];
  return type === "q8_0" ? fromQ8(toQ8(tensors[name], name)) : toFloat32(fromFloat32(tensors[name], type), type);
}

test.each(["f32", "f16", "bf16", "q8_0"] as const)(
  "a model in %s comes back, rounded as its type says",
  async (type) => {
    const back = await read(await write(type));
    expect([back.config, back.type]).toEqual([config, type]);
    for (const { name } of parametersOf(config)) expect(back.found[name], name).toEqual(rounded(name, type));
  },
);

test("tensors begin at multiples of 32 behind the header, matrices have llm.c's layout, wte has V rows", async () => {
  const bytes = await write("f32");
  const { tensors: places } = await read(bytes);
  for (const { offset } of places.values()) expect(offset % 32).toBe(0);
  const { offset, shape } = places.get("blk.1.attn_qkv.weight") ?? { offset: 0, shape: [] };
  const row = new Float32Array(bytes.slice(offset, offset + 4 * 64).buffer);
  expect([shape, row]).toEqual([[192, 64], tensors.qkvw.slice(192 * 64, 192 * 64 + 64)]);
  expect(places.get("token_embd.weight")?.shape).toEqual([61, 64]);
  expect(bytes.length % 32).toBe(0);
});

test("values of metadata come back, also those of other writers' types", async () => {
  const header = makeGgufHeader(
    {
      text: "é\0",
      yes: true,
      count: { u32: 4294967295 },
      small: { f32: 1e-5 },
      texts: { strings: ["", "Ġa"] },
      kinds: { i32s: [-1, 3] },
    },
    [],
  );
  const { fields } = await readGgufHeader(await openSource(header));
  expect(fields).toEqual({
    text: "é\0",
    yes: true,
    count: 4294967295,
    small: Math.fround(1e-5),
    texts: ["", "Ġa"],
    kinds: [-1, 3],
  });
});

describe("q8_0", () => {
  test("has the bytes of ggml's reference: scale in float16, codes half away from zero", () => {
    const values = Float32Array.from({ length: 32 }, (_, i) => (i - 16) * 0.5);
    values[3] = -8.03125;
    const bytes = toQ8(values, "t");
    const scale = Math.fround(8.03125 / 127);
    expect(bytes.subarray(0, 2)).toEqual(fromFloat32(Float32Array.of(scale), "f16"));
    const inverse = Math.fround(1 / scale);
    const codes = Array.from(values, (value) => {
      const x = Math.fround(value * inverse);
      return x < 0 ? -Math.floor(-x + 0.5) : Math.floor(x + 0.5);
    });
    expect([...new Int8Array(bytes.buffer, 2)]).toEqual(codes);
    expect(codes[3]).toBe(-127);
  });

  test("keeps zeros, and every number within half a step and the scale's rounding", () => {
    expect(fromQ8(toQ8(new Float32Array(64), "t"))).toEqual(new Float32Array(64));
    const values = randoms(new Mt19937(3), 32 * 500);
    const back = fromQ8(toQ8(values, "t"));
    for (let block = 0; block < values.length; block += 32) {
      const most = Math.max(...values.subarray(block, block + 32).map(Math.abs));
      // Half a step of most / 127, and 127 steps of a scale that float16 rounds by 2^-11.
      const bound = most * (0.5 / 127 + 2 ** -11);
      for (let i = block; i < block + 32; i++) expect(Math.abs(values[i] - back[i])).toBeLessThanOrEqual(bound * 1.001);
    }
  });

  test("refuses what it cannot hold", () => {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => toQ8(new Float32Array(32).fill(wrong), "wte")).toThrow(
        /wte holds .*int8 \(q8_0\) holds numbers up to 8\.3e\+6/,
      );
  });
});

test("a head of its own that equals wte is read, another one is refused", async () => {
  const bytes = await write("f32");
  const source = await openSource(bytes);
  const { fields, tensors } = await readGgufHeader(source);
  const wte = tensors.get("token_embd.weight");
  if (!wte) throw new Error("wte is missing");
  const readWithHead = (offset: number) => {
    const withHead = new Map([...tensors, ["output.weight", { ...wte, name: "output.weight", offset }]]);
    return ggufModel(source, { fields, tensors: withHead }).readTensors(async () => {});
  };
  await readWithHead(wte.offset);
  await expect(readWithHead(wte.offset + 32)).rejects.toThrow(/"output\.weight" differs/);
});

test("models that GGUF's gpt2 lacks are refused by the field", async () => {
  await expect(write("f16", {}, { ...config, gelu: "erf" })).rejects.toThrow(/gelu is erf/);
  await expect(write("f16", {}, { ...config, norm: "rms", positions: "rotary" })).rejects.toThrow(
    /norm is rms, positions is rotary/,
  );
  const odd = makeConfig({ L: 1, NH: 1, C: 48, V: 8, maxT: 4 });
  await expect(write("q8_0", {}, odd)).rejects.toThrow(/token_embd\.weight has rows of 48/);
});

test.each([
  ["another architecture", { "general.architecture": "llama" }, /of architecture llama, and llm-ts reads gpt2/],
  ["no sizes", { "general.architecture": "gpt2" }, /"gpt2\.embedding_length" is missing/],
])("%s is refused", async (_name, metadata, message) => {
  const source = await openSource(makeGgufHeader(metadata, []));
  const header = await readGgufHeader(source);
  expect(() => ggufModel(source, header)).toThrow(message);
});

test("unknown quantization and truncation are refused", async () => {
  const bytes = await write("f16");
  await expect(read(bytes.slice(0, bytes.length - 64))).rejects.toThrow(/ends at byte \d+, and the file has/);
  const source = await openSource(bytes);
  const header = await readGgufHeader(source);
  const place = header.tensors.get("blk.0.ffn_up.weight");
  if (!place) throw new Error("the tensor is missing");
  const other = new Map([...header.tensors, [place.name, { ...place, type: 12 }]]);
  expect(() => ggufModel(source, { ...header, tensors: other })).toThrow(
    /ggml's type 12, and llm-ts reads f32, f16, q8_0/,
  );
  expect(Object.keys(ggmlTypes)).toEqual(["f32", "f16", "q8_0", "bf16"]);
});

test("llm.c's checkpoint is the same model after GGUF", async () => {
  const source = await openSource(new Uint8Array(readFileSync(fixturePath("gpt2_tiny.bin"))));
  const model = await readModel(source);
  const original = emptyTensors(model.config);
  await model.readTensors(async (name, start, data) => original[name].set(data, start));
  const sink = new MemorySink();
  await writeGguf(sink, model, "f32", {});
  const back = await read(sink.bytes);
  expect(back.config).toEqual(model.config);
  for (const { name } of parametersOf(model.config)) expect(back.found[name], name).toEqual(original[name]);
});
