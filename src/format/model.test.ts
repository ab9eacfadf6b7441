import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { emptyTensors } from "../../test/fixtures.ts";
import { MemorySink } from "../../test/memory-sink.ts";
import { InputError, UsageError } from "../errors.ts";
import { type GPT2Config, makeConfig } from "../model/config.ts";
import { type TensorName, tensorNames } from "../model/parameters.ts";
import { openSource } from "../platform/node-files.ts";
import { readModel, writeModel } from "./model.ts";
import { type ReadChunk, streamOf } from "./tensors.ts";

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url)));
type Tensors = Record<TensorName, Float32Array>;

async function readAll(bytes: Uint8Array) {
  const source = await openSource(bytes);
  const model = await readModel(source);
  const tensors = emptyTensors(model.config);
  let elements = 0;
  await model.readTensors(async (name, start, data) => {
    tensors[name].set(data, start);
    elements += data.length;
  });
  return { model, tensors, elements };
}

const chunksFrom =
  (tensors: Tensors): ReadChunk =>
  async (name, start, length) =>
    tensors[name].slice(start, start + length);

async function write(config: GPT2Config, tensors: Tensors, dtype: "f32" | "bf16") {
  const sink = new MemorySink();
  await writeModel(sink, streamOf(config, chunksFrom(tensors)), dtype);
  return sink.bytes;
}

function withField(bytes: Uint8Array, index: number, value: number) {
  const changed = bytes.slice();
  new DataView(changed.buffer).setInt32(4 * index, value, true);
  return changed;
}

test.each(["gpt2_tiny", "gpt2_odd"])("%s comes back byte for byte", async (name) => {
  const bytes = fixture(`${name}.bin`);
  const { model, tensors } = await readAll(bytes);
  const expected = JSON.parse(
    readFileSync(new URL(`../../test/fixtures/${name}.json`, import.meta.url), "utf8"),
  ).config;
  const { maxT, V, L, NH, C } = model.config;
  expect([maxT, V, L, NH, C]).toEqual([expected.maxT, expected.V, expected.L, expected.NH, expected.C]);
  expect(Buffer.compare(await write(model.config, tensors, "f32"), bytes)).toBe(0);
});

test("version 5 rounds to the nearest bfloat16, ties to even", async () => {
  const { model, tensors } = await readAll(fixture("gpt2_tiny.bin"));
  const bits = Uint32Array.of(0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff, 0x7fc00001, 0xff800000);
  tensors.wte.set(new Float32Array(bits.buffer));
  const written = await write(model.config, tensors, "bf16");
  const again = await readAll(written);
  expect(again.model).toMatchObject({ version: 5, dtype: "bf16", config: model.config });
  const rounded = new Uint32Array(again.tensors.wte.slice(0, 6).buffer);
  expect([...rounded].map((n) => n >>> 16)).toEqual([0x3f80, 0x3f82, 0x3f81, 0x7f80, 0x7fc0, 0xff80]);
  for (let i = 6; i < 1000; i++)
    expect(Math.abs(again.tensors.wte[i] - tensors.wte[i])).toBeLessThanOrEqual(Math.abs(tensors.wte[i]) / 256);
  expect(Buffer.compare(await write(model.config, again.tensors, "bf16"), written)).toBe(0);
});

test("version 1 gets its padding on the way in", async () => {
  const padded = fixture("gpt2_odd.bin");
  const { model, tensors } = await readAll(padded);
  const { V, Vp, C } = model.config;
  const wteEnd = 1024 + 4 * V * C;
  const unpadded = new Uint8Array([...padded.slice(0, wteEnd), ...padded.slice(1024 + 4 * Vp * C)]);
  const version1 = withField(withField(unpadded, 1, 1), 7, 0);
  const again = await readAll(version1);
  expect(again.model).toMatchObject({ version: 1, dtype: model.dtype, config: model.config });
  for (const name of tensorNames) expect(again.tensors[name].every((x, i) => x === tensors[name][i])).toBe(true);
  expect(again.elements).toBe(Object.values(tensors).reduce((sum, t) => sum + t.length, 0));
});

test.each([
  [0, 1, /\[0\] \(magic, byte 0\) is 1, expected 20240326 of a model checkpoint/],
  [0, 20240520, /this is a token file/],
  [1, 2, /\[1\] \(version, byte 4\) is 2, expected 1/],
  [2, 0, /maxT is 0/],
  [3, -5, /V is -5/],
  [4, 1 << 30, /L is 1073741824/],
  [5, 5, /C = 32 channels cannot be divided among NH = 5/],
  [5, 0, /NH is 0/],
  [6, 2147483647, /C is 2147483647/],
  [7, 100, /V = 101 tokens do not fit Vp = 100/],
  [4, 3, /expected \d+ .*truncated: \d+ bytes are missing/],
  [4, 1, /bytes too long/],
])("a header with field %i = %i is refused", async (field, value, message) => {
  const source = await openSource(withField(fixture("gpt2_tiny.bin"), field, value));
  const failure = expect(readModel(source)).rejects;
  await failure.toThrow(InputError);
  await failure.toThrow(message);
});

test("truncated and oversized files are refused", async () => {
  const bytes = fixture("gpt2_tiny.bin");
  for (const length of [0, 4, 1023, 1024, bytes.length - 1])
    await expect(readModel(await openSource(bytes.slice(0, length)))).rejects.toThrow(/truncated/);
  const longer = new Uint8Array([...bytes, 0]);
  await expect(readModel(await openSource(longer))).rejects.toThrow(/1 bytes too long/);
});

test("a model that .bin cannot hold is not written", async () => {
  const sizes = { maxT: 8, V: 10, L: 1, NH: 1, C: 8 };
  const none: ReadChunk = async () => new Float32Array();
  for (const config of [
    makeConfig({ ...sizes, hidden: 16 }),
    makeConfig({ ...sizes, epsilon: 1e-6 }),
    makeConfig({ ...sizes, gelu: "erf" }),
  ]) {
    const sink = new MemorySink();
    await expect(writeModel(sink, streamOf(config, none))).rejects.toThrow(UsageError);
    expect(sink.size).toBe(0);
  }
});

test("a text that is taken for a model is recognised as one", async () => {
  const text = await openSource(new File(["To be, or not to be.\n".repeat(100)], "book.txt"));
  await expect(readModel(text)).rejects.toThrow('this seems to be a text, which begins with "To b"');
});
