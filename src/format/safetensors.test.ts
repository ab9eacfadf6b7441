import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { emptyTensors } from "../../test/fixtures.ts";
import { MemorySink } from "../../test/memory-sink.ts";
import { InputError } from "../errors.ts";
import { type GPT2Config, makeConfig } from "../model/config.ts";
import { type TensorName, tensorNames } from "../model/parameters.ts";
import { openSource } from "../platform/node-files.ts";
import { huggingFaceConfig, readHuggingFaceConfig } from "./huggingface-config.ts";
import { readModel } from "./model.ts";
import { readSafetensorsModel, writeSafetensors } from "./safetensors.ts";
import { streamOf } from "./tensors.ts";

type Tensors = Record<TensorName, Float32Array>;

async function fixture(name: string) {
  const bytes = new Uint8Array(readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url)));
  const source = await openSource(bytes);
  const model = await readModel(source);
  const tensors = emptyTensors(model.config);
  await model.readTensors(async (tensor, start, data) => tensors[tensor].set(data, start));
  return { config: model.config, tensors };
}

async function write(config: GPT2Config, tensors: Tensors): Promise<Uint8Array> {
  const sink = new MemorySink();
  await writeSafetensors(
    sink,
    streamOf(config, async (name, start, length) => tensors[name].slice(start, start + length)),
  );
  return sink.bytes;
}

async function read(bytes: Uint8Array, config?: GPT2Config) {
  const source = await openSource(bytes);
  const model = await readSafetensorsModel(source, config);
  const tensors = emptyTensors(model.config);
  let elements = 0;
  await model.readTensors(async (name, start, data) => {
    tensors[name].set(data, start);
    elements += data.length;
  });
  return { config: model.config, tensors, elements };
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** The header and the data of a file, for changing them. */
function take(bytes: Uint8Array) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<string, Entry>;
  return { header, data: bytes.slice(8 + length) };
}

function put(header: unknown, data: Uint8Array): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

function expectSame(a: Tensors, b: Tensors) {
  for (const name of tensorNames) expect(a[name].every((x, i) => x === b[name][i])).toBe(true);
}

const tiny = await fixture("gpt2_tiny.bin");

test.each(["gpt2_tiny.bin", "gpt2_odd.bin"])("%s comes back", async (name) => {
  const { config, tensors } = await fixture(name);
  const again = await read(await write(config, tensors));
  expect(again.config).toEqual(config);
  expectSame(again.tensors, tensors);
  expect(again.elements).toBe(Object.values(tensors).reduce((sum, tensor) => sum + tensor.length, 0));
});

test("matrices are (in, out), and wte has V rows", async () => {
  const { header, data } = take(await write(tiny.config, tiny.tensors));
  expect(header["h.1.attn.c_attn.weight"]).toMatchObject({ dtype: "F32", shape: [32, 96] });
  expect(header["h.1.mlp.c_proj.weight"].shape).toEqual([128, 32]);
  expect(header["wte.weight"].shape).toEqual([101, 32]);
  const floats = new Float32Array(data.buffer);
  const start = header["h.1.attn.c_attn.weight"].data_offsets[0] / 4;
  // Input 3 to output 5 of layer 1.
  expect(floats[start + 3 * 96 + 5]).toBe(tiny.tensors.qkvw[(96 + 5) * 32 + 3]);
});

test("what Hugging Face's older files have is read: a prefix, masks, the head a second time", async () => {
  const { header, data } = take(await write(tiny.config, tiny.tensors));
  const { __metadata__, ...entries } = header;
  const renamed = Object.fromEntries(Object.entries(entries).map(([name, entry]) => [`transformer.${name}`, entry]));
  const [from, to] = header["wte.weight"].data_offsets;
  const more = new Uint8Array(data.length + (to - from) + 16);
  more.set(data);
  more.set(data.subarray(from, to), data.length);
  const end = data.length + to - from;
  const whole = {
    ...renamed,
    "lm_head.weight": { dtype: "F32", shape: [101, 32], data_offsets: [data.length, end] },
    "transformer.h.0.attn.bias": { dtype: "U8", shape: [1, 1, 4, 4], data_offsets: [end, end + 16] },
  };
  // Without our note of the heads, a config.json is needed: 32 channels make no head of 64.
  await expect(read(put(whole, more))).rejects.toThrow(
    /does not have the number of attention heads of its 32 channels/,
  );
  const again = await read(put(whole, more), tiny.config);
  expectSame(again.tensors, tiny.tensors);
  more[data.length] ^= 1;
  await expect(read(put(whole, more), tiny.config)).rejects.toThrow(/"lm_head\.weight" differs/);
});

test("float16 and bfloat16 are read", async () => {
  const { header, data } = take(await write(tiny.config, tiny.tensors));
  for (const [dtype, halves, expected] of [
    ["F16", [0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555], [1, -2, 2 ** -24, 65504, 0.333251953125]],
    ["BF16", [0x3f80, 0xc000, 0x3eab], [1, -2, 0.333984375]],
  ] as const) {
    const entries = structuredClone(header);
    for (const [name, entry] of Object.entries(entries)) {
      if (name === "__metadata__") continue;
      entry.dtype = dtype;
      entry.data_offsets = [entry.data_offsets[0] / 2, entry.data_offsets[1] / 2];
    }
    const half = data.slice(0, data.length / 2).fill(0);
    half.set(new Uint8Array(Uint16Array.from(halves).buffer), entries["wte.weight"].data_offsets[0]);
    const { tensors } = await read(put(entries, half));
    expect([...tensors.wte.slice(0, expected.length)]).toEqual(expected);
  }
});

test("the config.json comes back, and decides where the tensors do not tell", async () => {
  const config = makeConfig({ maxT: 16, V: 101, L: 2, NH: 2, C: 32, hidden: 48, epsilon: 1e-6 });
  const parse = async (json: unknown) =>
    readHuggingFaceConfig(await openSource(new TextEncoder().encode(JSON.stringify(json))));
  expect(await parse(huggingFaceConfig(config, { endTokens: [100] }))).toEqual(config);
  expect(await parse({ ...huggingFaceConfig(tiny.config), n_inner: null })).toEqual(tiny.config);
  const gpt2 = huggingFaceConfig(tiny.config);
  for (const [change, message] of [
    [
      { model_type: "llama", architectures: ["LlamaForCausalLM"] },
      /this is a LlamaForCausalLM; llm-ts reads GPT2LMHeadModel/,
    ],
    [{ activation_function: "relu" }, /"activation_function" is "relu"/],
    [{ scale_attn_by_inverse_layer_idx: true }, /"scale_attn_by_inverse_layer_idx" is true, expected false/],
    [{ n_layer: "2" }, /"n_layer" is "2", expected a whole number/],
    [{ n_head: 5 }, /cannot be divided among NH = 5/],
    [{ n_embd: 1e9 }, /C is 1000000000/],
  ] as const)
    await expect(parse({ ...gpt2, ...change })).rejects.toThrow(message);
  for (const text of ["", "{", "[]"])
    await expect(readHuggingFaceConfig(await openSource(new TextEncoder().encode(text)))).rejects.toThrow(InputError);
  const other = { ...tiny.config, C: 64 };
  await expect(read(await write(tiny.config, tiny.tensors), other)).rejects.toThrow(
    /shape \[101,32\], expected \[101,64\]/,
  );
});

type Change = (header: Record<string, Entry>, data: Uint8Array) => Uint8Array;
const with_ =
  (name: string, change: Partial<Record<keyof Entry, unknown>>): Change =>
  (header, data) =>
    put({ ...header, [name]: { ...header[name], ...change } }, data);

test.each<[string, Change, RegExp]>([
  [
    "a missing tensor",
    ({ "ln_f.bias": _, ...rest }, data) => put(rest, data.slice(0, -128)),
    /"ln_f\.bias" is missing/,
  ],
  ["an unknown tensor", ({ "ln_f.bias": last, ...rest }, data) => put({ ...rest, odd: last }, data), /missing|none of/],
  ["a wrong shape", with_("ln_f.bias", { shape: [2, 16] }), /"ln_f\.bias" has shape \[2,16\], expected \[32\]/],
  [
    "an unknown dtype",
    with_("ln_f.bias", { dtype: "F12" }),
    /"ln_f\.bias" is F12, which llm-ts does not support; it reads F32, F16, BF16/,
  ],
  [
    "a dtype that is none of weights",
    with_("ln_f.bias", { dtype: "I32" }),
    /is I32, which llm-ts does not support; it reads F32, F16, BF16/,
  ],
  ["four bits", with_("ln_f.bias", { dtype: "F4", shape: [256] }), /is F4, which llm-ts does not support/],
  ["an exponent alone", with_("ln_f.bias", { dtype: "F8_E8M0", shape: [128] }), /is F8_E8M0, which llm-ts does not/],
  ["complex numbers", with_("ln_f.bias", { dtype: "C64", shape: [16] }), /is C64, which llm-ts does not support/],
  ["six bits in a place that does not fit", with_("ln_f.bias", { dtype: "F6_E2M3" }), /expected 24 bytes for F6_E2M3/],
  ["a size that does not fit", with_("ln_f.bias", { shape: [33] }), /expected 132 bytes for F32 of shape \[33\]/],
  ["an absurd size", with_("ln_f.bias", { shape: [1e15, 1e15] }), /data_offsets/],
  ["a negative size", with_("ln_f.bias", { shape: [-32] }), /has shape \[-32\]/],
  ["a place past the end", with_("ln_f.bias", { data_offsets: [0, 1e12] }), /start and end within/],
  ["a place back to front", with_("ln_f.bias", { data_offsets: [128, 0] }), /start and end within/],
  ["an overlap", with_("ln_f.bias", { data_offsets: [0, 128] }), /starts at byte \d+, expected \d+/],
  ["an entry that is none", (header, data) => put({ ...header, "ln_f.bias": 7 }, data), /has entry 7/],
  ["a list for a header", (_, data) => put([], data), /not a JSON object/],
  ["a damaged header", (_, data) => put('{"a":', data), /not valid JSON/],
  ["a deep header", (_, data) => put("[".repeat(100000), data), /not valid JSON/],
  ["a truncated file", (header, data) => put(header, data.slice(0, -1)), /start and end within/],
  ["a longer file", (header, data) => put(header, new Uint8Array([...data, 0])), /bytes, expected \d+ for the tensors/],
  ["no header", () => new Uint8Array(7), /too few for safetensors/],
  ["a header without end", () => new Uint8Array(64).fill(255), /the header's length \(bytes 0 to 7\)/],
])("%s is refused", async (_, change, message) => {
  const { header, data } = take(await write(tiny.config, tiny.tensors));
  const failure = expect(read(change(header, data))).rejects;
  await failure.toThrow(InputError);
  await failure.toThrow(message);
});
