import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemorySink } from "../../test/memory-sink.ts";
import { InputError } from "../errors.ts";
import { TokenWriter } from "../format/tokens.ts";
import { Mt19937 } from "../random/mt19937.ts";
import type { Batch } from "./batch.ts";
import { TokenLoader, type TokenLoaderOptions } from "./loader.ts";
import type { LoaderPosition } from "./order.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-ts-loader-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function writeTokens(name: string, count: number, first: number) {
  const sink = new MemorySink();
  const writer = await TokenWriter.create(sink, 2);
  await writer.write(Array.from({ length: count }, (_, i) => first + i));
  await writer.finish();
  const path = `${folder}/${name}`;
  writeFileSync(path, sink.bytes);
  return path;
}

/** Three files whose tokens count up: of 6, 5 and 7 batches of 2 x 4 tokens. */
async function writeShards() {
  await writeTokens("s_0.bin", 50, 0);
  await writeTokens("s_1.bin", 41, 1000);
  await writeTokens("s_2.bin", 64, 2000);
}

const sizes = { B: 2, T: 4 };

/** The first token of each of the next batches. */
async function firsts(loader: TokenLoader, batches: number) {
  const found: number[] = [];
  for (let i = 0; i < batches; i++) found.push((await loader.next()).inputs[0]);
  return found;
}

test("file order goes from start to end and starts again when the next batch would pass the end", async () => {
  await writeShards();
  const loader = await TokenLoader.open(`${folder}/s_*.bin`, sizes);
  expect(loader).toMatchObject({ numTokens: 155, batchesPerEpoch: 18, B: 2, T: 4 });
  expect(loader.files).toEqual([0, 1, 2].map((n) => `${folder}/s_${n}.bin`));
  expect(await loader.next()).toEqual({
    inputs: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7),
    targets: Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  });
  // The output of llm.c's dataloader.h for these files.
  const expected = [
    8, 16, 24, 32, 40, 1000, 1008, 1016, 1024, 1032, 2000, 2008, 2016, 2024, 2032, 2040, 2048, 0, 8, 16,
  ];
  expect(await firsts(loader, expected.length)).toEqual(expected);
  loader.reset();
  expect(await firsts(loader, 2)).toEqual([0, 8]);
});

test("shuffle order is llm.c's, over several epochs", async () => {
  await writeShards();
  const loader = await TokenLoader.open(`${folder}/s_*.bin`, { ...sizes, order: "shuffle" });
  // The output of llm.c's dataloader.h for these files, shuffled, as the first process.
  const expected = [
    2016, 2000, 2040, 2024, 2008, 2048, 2032, 1016, 1032, 1024, 1008, 1000, 0, 40, 8, 24, 32, 16, 2000, 2048, 2016,
    2032, 2040, 2008, 2024, 0, 16, 24, 32, 40, 8, 1024, 1032, 1008, 1000, 1016, 32, 16, 24, 0, 8, 40, 2000, 2040, 2016,
  ];
  expect(await firsts(loader, expected.length)).toEqual(expected);
  loader.reset();
  expect(await firsts(loader, 5)).toEqual([32, 16, 24, 8, 0]);
  const one = await TokenLoader.open(`${folder}/s_1.bin`, { ...sizes, order: "shuffle", seed: 42 });
  const expectedOne = [1032, 1000, 1008, 1024, 1016, 1016, 1000, 1032, 1024, 1008, 1016, 1032];
  expect(await firsts(one, expectedOne.length)).toEqual(expectedOne);
  const other = await TokenLoader.open(`${folder}/s_1.bin`, { ...sizes, order: "shuffle", seed: 43 });
  expect(await firsts(other, expectedOne.length)).not.toEqual(expectedOne);
});

test("random order draws each row's start as torch.randint does", async () => {
  await writeShards();
  const loader = await TokenLoader.open(`${folder}/s_2.bin`, { ...sizes, order: "random", seed: 1337 });
  const random = new Mt19937(1337);
  for (let batch = 0; batch < 20; batch++) {
    const starts = [0, 1].map(() => 2000 + (random.randint32() % 60));
    const { inputs, targets } = await loader.next();
    expect([...inputs]).toEqual(starts.flatMap((start) => [0, 1, 2, 3].map((t) => start + t)));
    expect([...targets]).toEqual([...inputs].map((token) => token + 1));
  }
  loader.reset();
  expect(await firsts(loader, 1)).toEqual([2000 + (new Mt19937(1337).randint32() % 60)]);

  const all = await TokenLoader.open(`${folder}/s_*.bin`, { ...sizes, order: "random" });
  const seen = new Set<number>();
  for (let batch = 0; batch < 1000; batch++) {
    const { inputs, targets } = await all.next();
    expect([...targets]).toEqual([...inputs].map((token) => token + 1));
    seen.add(inputs[0]).add(inputs[4]);
  }
  expect(seen.size).toBe(50 + 41 + 64 - 3 * 4);
});

describe.each(["file", "shuffle", "random"] as const)("%s order", (order) => {
  const open = (pattern = "s_*.bin") => TokenLoader.open(`${folder}/${pattern}`, { ...sizes, order });

  test("resumes from any position, over several epochs, stored as JSON", async () => {
    await writeShards();
    const whole = await open();
    const positions: string[] = [];
    const batches: Batch[] = [];
    for (let i = 0; i < 45; i++) {
      positions.push(JSON.stringify(whole.position()));
      batches.push(await whole.next());
    }
    for (const [i, position] of positions.entries()) {
      const resumed = await open();
      resumed.seek(JSON.parse(position));
      for (const batch of batches.slice(i)) expect(await resumed.next()).toEqual(batch);
    }
  });

  test("goes back to a position of its own, also after a reset", async () => {
    await writeShards();
    const loader = await open();
    await firsts(loader, 7);
    const position = loader.position();
    const expected = await firsts(loader, 30);
    loader.reset();
    loader.seek(position);
    expect(await firsts(loader, 30)).toEqual(expected);
  });

  test("refuses a position of other data or another order, and stays where it was", async () => {
    await writeShards();
    const loader = await open();
    await firsts(loader, 20);
    const position = loader.position();
    const others = (["file", "shuffle", "random"] as const).filter((other) => other !== order);
    for (const other of others) {
      const strange = (await TokenLoader.open(`${folder}/s_*.bin`, { ...sizes, order: other })).position();
      expect(() => loader.seek(strange)).toThrow(/Use the order that the position was taken in/);
    }
    expect(() => loader.seek(null as never)).toThrow(
      "The position is null, expected one that TokenLoader.position gave.",
    );
    for (const strange of damaged(position)) expect(() => loader.seek(strange)).toThrow(InputError);
    expect(loader.position()).toEqual(position);
  });
});

/** Invalid positions, each wrong in one field. */
function damaged(position: LoaderPosition): LoaderPosition[] {
  const wrong: LoaderPosition[] = [];
  if (position.order !== "random")
    wrong.push({ ...position, shard: 3 }, { ...position, shard: -1 }, { ...position, sample: 8 });
  if (position.order === "shuffle")
    wrong.push(
      { ...position, shards: [0, 1] },
      { ...position, shards: [0, 1, 1] },
      { ...position, samples: position.samples.slice(1) },
      { ...position, samples: position.samples.map(() => 0) },
    );
  if (position.order !== "file") {
    const { random } = position;
    for (const state of [{ next: 0 }, { left: 9 }, { state: [1, 2] }, { state: random.state.map(() => -1) }])
      wrong.push({ ...position, random: { ...random, ...state } });
  }
  return wrong;
}

test("reads the headerless files of April 2024 when asked", async () => {
  const path = `${folder}/old.bin`;
  writeFileSync(path, new Uint8Array(Int32Array.from({ length: 20 }, (_, i) => i).buffer));
  const loader = await TokenLoader.open(path, { ...sizes, headerless: true });
  expect(await firsts(loader, 3)).toEqual([0, 8, 0]);
});

test("finds the files of a folder", async () => {
  await writeTokens("tiny_shakespeare_train.bin", 20, 0);
  await writeTokens("tiny_shakespeare_val.bin", 20, 100);
  const val = await TokenLoader.open(folder, { ...sizes, split: "val" });
  expect(await firsts(val, 1)).toEqual([100]);
  await writeTokens("x_train.bin", 20, 0);
  await expect(TokenLoader.open(folder, sizes)).rejects.toThrow(/several train files/);
  const train = { file: "x_train.bin", tokens: 20 };
  writeFileSync(`${folder}/dataset.json`, JSON.stringify({ tokenizer: "char", train }));
  expect((await TokenLoader.open(folder, sizes)).files).toEqual([`${folder}/x_train.bin`]);
  await expect(TokenLoader.open(folder, { ...sizes, split: "val" })).rejects.toThrow(/has no val data/);
  for (const content of [
    "{",
    "[]",
    '{"tokenizer":"char"}',
    '{"tokenizer":"char","train":{"file":"../x","tokens":1}}',
  ]) {
    writeFileSync(`${folder}/dataset.json`, content);
    await expect(TokenLoader.open(folder, sizes)).rejects.toThrow(InputError);
  }
});

async function failure(pattern: string | string[], options: TokenLoaderOptions = sizes) {
  const loader = await TokenLoader.open(pattern, options);
  await loader.next();
}

test("unusable data is refused with the reason", async () => {
  const path = await writeTokens("a.bin", 9, 96);
  await failure(path);
  await expect(failure(path, { ...sizes, V: 100 })).rejects.toThrow(
    /a\.bin: token 100 at position 4 is not in the model's vocabulary of 100/,
  );
  const short = await writeTokens("short.bin", 8, 0);
  await expect(failure(short)).rejects.toThrow(/has 8 tokens, expected at least 9 for one batch of B = 2 rows/);
  await expect(failure([path, short])).rejects.toThrow(/short\.bin has 8 tokens/);
  await failure(short, { ...sizes, order: "random" });
  const tiny = await writeTokens("tiny.bin", 4, 0);
  await expect(failure(tiny, { ...sizes, order: "random" })).rejects.toThrow(/expected at least 5 .* T = 4/);
  await expect(failure(`${folder}/none.bin`)).rejects.toThrow(/none\.bin does not exist/);
  await expect(failure(`${folder}/none*.bin`)).rejects.toThrow(/No file matches/);
  await expect(failure([])).rejects.toThrow(InputError);
  await expect(failure(path, { B: 0, T: 4 })).rejects.toThrow(/B is 0/);
  mkdirSync(`${folder}/empty`);
  await expect(failure(`${folder}/empty`)).rejects.toThrow(/holds no train\.bin/);
});

describe.each(["file", "shuffle", "random"] as const)("a group reads the %s order", (order) => {
  test("each rank its rows of the batches that one process reads, all from one position", async () => {
    await writeShards();
    const open = (B: number, group?: TokenLoaderOptions["group"]) =>
      TokenLoader.open(`${folder}/s_*.bin`, { B, T: 4, order, group });
    const whole = await open(4);
    const ranks = await Promise.all([0, 1].map((rank) => open(2, { rank, size: 2 })));
    for (let i = 0; i < 12; i++) {
      const batch = await whole.next();
      const parts = await Promise.all(ranks.map((loader) => loader.next()));
      for (const name of ["inputs", "targets"] as const)
        expect([...parts[0][name], ...parts[1][name]]).toEqual([...batch[name]]);
      for (const loader of ranks) expect(loader.position()).toEqual(whole.position());
    }
    expect(ranks.map((loader) => loader.batchesPerEpoch)).toEqual([whole.batchesPerEpoch, whole.batchesPerEpoch]);
    const other = await open(1, { rank: 3, size: 4 });
    other.seek(whole.position());
    expect([...(await other.next()).inputs]).toEqual([...(await whole.next()).inputs.subarray(12)]);
  });
});

test("an order that there is not, and no options", async () => {
  await writeShards();
  const open = (options: unknown) => TokenLoader.open(`${folder}/s_*.bin`, options as TokenLoaderOptions);
  await expect(open({ ...sizes, order: "x" })).rejects.toThrow(
    'There is no order "x". Choose one of file, shuffle, random.',
  );
  await expect(open({ ...sizes, order: "" })).rejects.toThrow('There is no order "".');
  await expect(open({ T: 4 })).rejects.toThrow("B is undefined, expected a whole number");
  await expect(open({ B: "4", T: 4 })).rejects.toThrow('B is "4", expected a whole number');
  await expect(open({ batch: 4, T: 4 })).rejects.toThrow('TokenLoader.open has no option "batch". It is called B.');
  await expect(open(undefined)).rejects.toThrow("The options of TokenLoader.open are undefined");
});
