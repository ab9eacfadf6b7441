import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { emptyTensors } from "../../test/fixtures.ts";
import { MemorySink } from "../../test/memory-sink.ts";
import { InputError } from "../errors.ts";
import { type GPT2Config, makeConfig } from "../model/config.ts";
import { tensorNames } from "../model/parameters.ts";
import { openSource } from "../platform/node-files.ts";
import { readModel } from "./model.ts";
import { readDebugState, writeDebugState } from "./state.ts";

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url)));

async function configOf(name: string) {
  return (await readModel(await openSource(fixture(`${name}.bin`)))).config;
}

async function readAll(bytes: Uint8Array, config: GPT2Config) {
  const state = await readDebugState(await openSource(bytes), config);
  const logits = new Float32Array(state.B * state.T * config.V);
  await state.readLogits(async (start, data) => logits.set(data, start));
  const gradients = emptyTensors(config);
  await state.readGradients(async (name, start, data) => gradients[name].set(data, start));
  return { ...state, logits, gradients };
}

function withField(bytes: Uint8Array, index: number, value: number) {
  const changed = bytes.slice();
  new DataView(changed.buffer).setInt32(4 * index, value, true);
  return changed;
}

test.each(["gpt2_tiny", "gpt2_odd"])("%s comes back byte for byte", async (name) => {
  const config = await configOf(name);
  const bytes = fixture(`${name}_debug_state.bin`);
  const { logits, gradients, ...state } = await readAll(bytes, config);
  const sink = new MemorySink();
  await writeDebugState(sink, config, {
    ...state,
    readLogits: async (row) => logits.slice(row * config.V, (row + 1) * config.V),
    readGradient: async (tensor, start, length) => gradients[tensor].slice(start, start + length),
  });
  expect(Buffer.compare(sink.bytes, bytes)).toBe(0);
});

test("version 1 has V rows of wte", async () => {
  const config = await configOf("gpt2_tiny");
  const { V, Vp, C } = config;
  const bytes = fixture("gpt2_tiny_debug_state.bin");
  const wte = 1024 + 4 * (2 * 2 * 12 + 2 * 12 * V + 1);
  const unpadded = new Uint8Array([...bytes.slice(0, wte + 4 * V * C), ...bytes.slice(wte + 4 * Vp * C)]);
  const state = await readAll(withField(unpadded, 1, 1), config);
  const { gradients } = await readAll(bytes, config);
  for (const name of tensorNames) expect(state.gradients[name].every((x, i) => x === gradients[name][i])).toBe(true);
});

test.each([
  [0, 20240326, /this is a model checkpoint/],
  [1, 3, /\[1\] \(version, byte 4\) is 3, expected 1 or 2/],
  [2, 0, /\[2\] \(B, byte 8\) is 0/],
  [2, 2147483647, /truncated/],
  [3, 17, /\[3\] \(T, byte 12\) is 17, expected 1 to the model's 16/],
  [3, 11, /bytes too long/],
  [256, 101, /token 101 at x\[0\] \(byte 1024\) is not in the model's vocabulary of 101/],
  [256 + 24 + 3, -1, /token -1 at y\[3\]/],
])("a state with field %i = %i is refused", async (field, value, message) => {
  const source = await openSource(withField(fixture("gpt2_tiny_debug_state.bin"), field, value));
  const failure = expect(readDebugState(source, await configOf("gpt2_tiny"))).rejects;
  await failure.toThrow(InputError);
  await failure.toThrow(message);
});

test("a state of another model is refused", async () => {
  const other = makeConfig({ maxT: 64, V: 101, L: 3, NH: 4, C: 32 });
  const source = await openSource(fixture("gpt2_tiny_debug_state.bin"));
  await expect(readDebugState(source, other)).rejects.toThrow(InputError);
});
