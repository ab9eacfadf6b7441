import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { platform } from "#platform";
import { fixturePath } from "../../test/fixtures.ts";
import { openModelFile } from "../api/model-file.ts";
import { InputError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { isOnnx } from "./foreign.ts";
import { writeOnnx } from "./onnx.ts";
import { readOnnx } from "./onnx-file.ts";
import type { TensorStream } from "./tensors.ts";

async function written(model: TensorStream): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await writeOnnx({ name: "model.onnx", write: async (bytes) => void parts.push(bytes.slice()) }, model);
  return Buffer.concat(parts);
}

/** The fields of a message: numbers of varints, bytes of all else. */
function* fieldsOf(message: Buffer): Generator<readonly [field: number, value: number | Buffer]> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      value += (byte & 0x7f) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const [field, type] = [key >> 3, key & 7];
    if (type === 0) yield [field, varint()];
    else {
      const length = type === 2 ? varint() : 4;
      yield [field, message.subarray(at, at + length)];
      at += length;
    }
  }
}

const all = (message: Buffer, wanted: number) =>
  [...fieldsOf(message)].flatMap(([field, value]) => (field === wanted && typeof value !== "number" ? [value] : []));

test("each node reads what is there before it, and each weight stands once, with its numbers", async () => {
  const file = await openModelFile(fixturePath("gpt2_tiny.bin"));
  const [graph] = all(await written(file), 7);
  const initializers = all(graph, 5);
  const nameOf = (tensor: Buffer) => String(all(tensor, 8)[0]);
  const known = new Set([...initializers.map(nameOf), ...all(graph, 11).map((input) => String(all(input, 1)[0]))]);
  expect(known.size).toBe(initializers.length + all(graph, 11).length);
  for (const node of all(graph, 1)) {
    for (const input of all(node, 1)) expect(known).toContain(String(input));
    const [output] = all(node, 2).map(String);
    expect(known).not.toContain(output);
    known.add(output);
  }
  for (const output of all(graph, 12)) expect(known).toContain(String(all(output, 1)[0]));
  const wpe = initializers.find((tensor) => nameOf(tensor) === "wpe.weight");
  if (!wpe) throw new Error("no wpe.weight");
  const expected: number[] = [];
  await file.readTensors(async (name, _start, data) => {
    if (name === "wpe") expected.push(...data);
  });
  const { buffer, byteOffset, length } = Uint8Array.from(all(wpe, 9)[0]);
  expect([...new Float32Array(buffer, byteOffset, length / 4)]).toEqual(expected);
  await file.close();
});

/** The files that onnxruntime 1.30 computed our logits from (`npm run onnx-runtimes` has the comparison). */
test.each([
  ["gpt2_tiny.bin", "c00c44a44e379ec1b2846044370c15628342ca20cc6864615d89e3917bbfec13"],
  ["gpt2_erf/model.safetensors", "a62a8da801294567f0b471b023fb577c902c285e67d2a0820d16532f967f325c"],
])("%s is written as onnxruntime read it", async (name, expected) => {
  const file = await openModelFile(fixturePath(name));
  expect(
    createHash("sha256")
      .update(await written(file))
      .digest("hex"),
  ).toBe(expected);
  await file.close();
});

test("a file is described without its weights, and one that was cut is refused", async () => {
  const file = await openModelFile(fixturePath("gpt2_tiny.bin"));
  const whole = await written(file);
  await file.close();
  const summary = await readOnnx(await platform.openSource(whole));
  const { L, V, C } = file.config;
  expect(summary).toMatchObject({ producer: "llm-ts", opset: 17 });
  expect(summary.inputs).toHaveLength(3 + 2 * L);
  expect(summary.outputs).toHaveLength(1 + 2 * L);
  expect(summary.weights).toContainEqual({ name: "wte.weight", dtype: "f32", shape: [V, C] });
  for (let length = 1; length < whole.length; length += length < 100 ? 1 : 997) {
    const cut = await platform.openSource(whole.subarray(0, length));
    await expect(readOnnx(cut)).rejects.toThrow(InputError);
  }
});

test("tokens without a header are not taken for one, and exporters that do not name themselves are", () => {
  const bytes = Uint8Array.of(0x08, 0x08, 0x12, 0x06, ...new TextEncoder().encode("llm-ts"));
  expect(isOnnx(bytes, "Uint8Array")).toBe(true);
  expect(isOnnx(bytes, "train.bin")).toBe(false);
  expect(isOnnx(Uint8Array.of(0x08, 0x07, 0x3a, 0x80), "model.onnx")).toBe(true);
  expect(isOnnx(Uint8Array.of(0x08, 0x07, 0x3a, 0x80), "other")).toBe(false);
});

test("what a file or the architecture cannot hold is refused, with the reason", async () => {
  const of = (config: TensorStream["config"]) => written({ config, readTensors: async () => {} });
  const sizes = { maxT: 1024, V: 50257, NH: 20, C: 1280 };
  await expect(of(makeConfig({ ...sizes, L: 36 }))).rejects.toThrow(/less than 2 GiB, and this model takes 2\.9/);
  await expect(of({ ...makeConfig({ ...sizes, L: 2 }), norm: "rms" })).rejects.toThrow(/of this model norm is rms/);
});
