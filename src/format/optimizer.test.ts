import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { shardsOf } from "../../test/llmc-shards.ts";
import { MemorySink } from "../../test/memory-sink.ts";
import { InputError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { type TensorName, tensorNames, tensorShapes } from "../model/parameters.ts";
import { openSource } from "../platform/node-files.ts";
import { Mt19937 } from "../random/mt19937.ts";
import { headerBytes } from "./header.ts";
import { filesOfState, type OptimizerState, readOptimizerState, writeOptimizerState } from "./optimizer.ts";
import { type ReadChunk, tensorBytes } from "./tensors.ts";

const config = makeConfig({ maxT: 4, V: 5, L: 2, NH: 1, C: 2 });
const setBytes = tensorBytes(config, { dtype: "f32", padded: true });

/** Values that tell which element of which tensor they are. */
const numbered =
  (base: number): ReadChunk =>
  async (name, start, length) =>
    Float32Array.from({ length }, (_, i) => base + 1000 * tensorNames.indexOf(name) + start + i);

async function write(state: OptimizerState): Promise<Uint8Array<ArrayBuffer>> {
  const sink = new MemorySink();
  await writeOptimizerState(sink, config, state, numbered(0.25), numbered(0.5));
  return sink.bytes;
}

async function read(bytes: Uint8Array) {
  return readOptimizerState(await openSource(bytes), config);
}

function shuffled(): OptimizerState {
  const random = new Mt19937(42);
  const order = (count: number) => {
    const values = Array.from({ length: count }, (_, i) => i);
    random.shuffle(values);
    return values;
  };
  const [shards, samples] = [order(3), order(7)];
  return { step: 20, shard: 1, sample: 5, shuffle: { shards, samples, random: random.position() } };
}

test.each([["shuffled", shuffled()] as const, ["file", { step: 7, shard: 2, sample: 3 }] as const])(
  "a state of %s data comes back as it was written",
  async (_, state) => {
    const file = await read(await write(state));
    expect(file).toMatchObject(state);
    expect(file.readMasterWeights).toBeUndefined();
    const found: [string, TensorName, number][] = [];
    const keep = (set: string, base: number) => async (name: TensorName, start: number, data: Float32Array) => {
      expect(data).toEqual(await numbered(base)(name, start, data.length));
      found.push([set, name, data.length]);
    };
    await file.readMoments(keep("m", 0.25), keep("v", 0.5));
    const sizes = Object.entries(tensorShapes(config)).map(([name, shape]) => [name, shape.reduce((a, b) => a * b, 1)]);
    expect(found).toEqual(["m", "v"].flatMap((set) => sizes.map((size) => [set, ...size])));
  },
);

test("the layout is that of save_state in llm.c's train_gpt2.cu", async () => {
  const bytes = await write(shuffled());
  const header = new Int32Array(bytes.buffer, 0, 256);
  const fields = { 0: 20240527, 1: 1, 2: 1, 5: 1, 10: 20, 20: 13371337, 22: 13371337, 30: 1, 32: 5 };
  expect(Object.fromEntries([...header.entries()].filter(([, value]) => value !== 0))).toEqual(fields);
  // What llm.c writes behind the moments: the same seed, the same two permutations, its struct without the seed.
  const rest = bytes.subarray(headerBytes + 2 * setBytes);
  expect(rest.length).toBe(8 + 3 * 4 + 8 + 7 * 4 + 2520);
  expect(createHash("sha256").update(rest).digest("hex")).toBe(
    "369d41fd642f3891de3b47683bfd5afa960ae0834ee5f529401e676d6cb51ca4",
  );
});

test("the state of several processes that each have all moments is read", async () => {
  const bytes = await write({ step: 7, shard: 2, sample: 3 });
  new DataView(bytes.buffer).setInt32(8, 8, true);
  const file = await read(bytes);
  expect(file).toMatchObject({ processes: 8, step: 7, shard: 2, sample: 3 });
  let count = 0;
  const counting = async (_: TensorName, __: number, data: Float32Array) => {
    count += data.length;
  };
  await file.readMoments(counting, counting);
  expect(4 * count).toBe(2 * setBytes);
});

test.each([false, true])(
  "states of which each of two processes has a part are read as one, master weights: %s",
  async (master) => {
    const [bytes, weights] = [await write(shuffled()), new MemorySink()];
    await writeOptimizerState(weights, config, { step: 1, shard: 0, sample: 1 }, numbered(0.75), numbered(0.75));
    const end = headerBytes + 2 * setBytes;
    const own = master ? weights.bytes.subarray(headerBytes, headerBytes + setBytes) : new Uint8Array();
    const whole = Buffer.concat([bytes.subarray(0, end), own, bytes.subarray(end)]);
    whole.writeInt32LE(Number(master), 16);
    const shards = shardsOf(whole, config, 2);
    const [first, second] = await Promise.all(shards.map((shard) => openSource(shard)));
    expect(await filesOfState(first, config)).toBe(2);
    const file = await readOptimizerState(first, config, [second]);
    expect(file).toMatchObject({ ...shuffled(), processes: 2 });
    let count = 0;
    const expectNumbered = (base: number) => async (name: TensorName, start: number, data: Float32Array) => {
      expect(data).toEqual(await numbered(base)(name, start, data.length));
      count += data.length;
    };
    await file.readMoments(expectNumbered(0.25), expectNumbered(0.5));
    await file.readMasterWeights?.(expectNumbered(0.75));
    expect(4 * count).toBe((master ? 3 : 2) * setBytes);

    await expect(read(shards[0])).rejects.toThrow(
      "processes that shared them (ZeRO-1), and none of the others' files are there",
    );
    await expect(readOptimizerState(first, config, [first])).rejects.toThrow(
      "rank is 0, expected 1, as beside rank 0's",
    );
    const short = await openSource(shards[1].subarray(0, 2000));
    await expect(readOptimizerState(first, config, [short])).rejects.toThrow(/bytes are missing/);
  },
);

test("what cannot be is refused: another model, a part of the moments, a count past the end", async () => {
  const bytes = await write(shuffled());
  const other = makeConfig({ maxT: 4, V: 5, L: 3, NH: 1, C: 2 });
  await expect(readOptimizerState(await openSource(bytes), other)).rejects.toThrow(/or of another model/);
  const changed = (offset: number, value: number) => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setInt32(offset, value, true);
    return copy;
  };
  const part = changed(8, 8).subarray(0, headerBytes + 2 * Math.ceil(setBytes / 8));
  await expect(read(part)).rejects.toThrow(/holds a part of the moments: it belongs to a run of 8 processes/);
  await expect(read(changed(headerBytes + 2 * setBytes, 1e9))).rejects.toThrow(/1000000000 shards/);
  const longer = makeConfig({ maxT: 4, V: 5, L: 90, NH: 1, C: 2 });
  await expect(readOptimizerState(await openSource(bytes), longer)).rejects.toThrow(/a model of V 5, L 90, C 2/);
  await expect(read(changed(20, 0))).rejects.toThrow(/too long/);
  await expect(read(bytes.subarray(0, -1))).rejects.toThrow(/1 bytes are missing/);
  await expect(read(bytes.subarray(0, 2000))).rejects.toThrow(InputError);
});

test("master weights of llm.c are handed over", async () => {
  const [bytes, weights] = [await write({ step: 1, shard: 0, sample: 1 }), new MemorySink()];
  await writeOptimizerState(weights, config, { step: 1, shard: 0, sample: 1 }, numbered(0.75), numbered(0.75));
  const whole = Buffer.concat([bytes, weights.bytes.subarray(headerBytes, headerBytes + setBytes)]);
  whole.writeInt32LE(1, 16);
  const file = await read(whole);
  await file.readMasterWeights?.(async (name, start, data) =>
    expect(data).toEqual(await numbered(0.75)(name, start, data.length)),
  );
  expect(file.readMasterWeights).toBeDefined();
});
