import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { collect, fixturePath } from "../../test/fixtures.ts";
import { InputError } from "../errors.ts";
import { openTokenFile } from "../format/tokens.ts";
import { openSource } from "../platform/node-files.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { readDataset } from "./dataset.ts";
import { requirePlace } from "./dataset-writer.ts";
import { hellaSwagExample } from "./hellaswag.ts";
import { fieldsOf, readItems, readTexts } from "./items.ts";
import { TokenLoader } from "./loader.ts";
import { prepareText } from "./prepare.ts";
import { type EncodeBatches, type ItemsPlan, prepareItems } from "./prepare-items.ts";
import { writeTokenizer } from "./train-tokenizer.ts";

let root: string;
let folder: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "llm-ts-items-"));
  tokenizer = await gpt2Tokenizer();
});
beforeEach(async () => {
  folder = await mkdtemp(join(root, "out-"));
});
afterAll(() => rm(root, { recursive: true }));

const endOfText = 50256;
/** Long and short ones, an empty one, one with characters of three bytes. */
const texts = Array.from({ length: 60 }, (_, i) =>
  i === 7 ? "" : `Document ${i} says ${"so it goes, ".repeat((i * 7) % 23)}${i % 5 === 0 ? "漢字" : "and ends."}`,
);
const lines = texts.map((text, i) => JSON.stringify({ id: i, body: text }));
const encodeText = (text: string) => [endOfText, ...tokenizer.encode(text)];

/** Encodes on this thread; calls `after` for each batch. */
const encode = (after: (batch: number) => void = () => {}): EncodeBatches =>
  async function* (batches) {
    let count = 0;
    for await (const { places, texts } of batches) {
      const documents = texts.map(encodeText);
      yield { places, tokens: Uint16Array.from(documents.flat()), lengths: documents.map(({ length }) => length) };
      after(++count);
    }
  };

async function planOf(fields: Partial<ItemsPlan> = {}): Promise<ItemsPlan> {
  const files = [join(root, "a.jsonl"), join(root, "b.jsonl")];
  await writeFile(files[0], `${lines.slice(0, 25).join("\n")}\n\n`);
  await writeFile(files[1], lines.slice(25).join("\n"));
  return {
    source: "test",
    folder,
    files,
    field: "body",
    shardTokens: 300,
    outputs: [
      { nameOf: (i) => `train_${i}.bin`, splitOf: () => "train" },
      { nameOf: (i) => `val_${i}.bin`, splitOf: () => "val" },
    ],
    outputOf: (item) => (item % 10 === 9 ? 1 : 0),
    rule: "every tenth",
    tokenizer,
    ...fields,
  };
}

async function tokensOf(path: string): Promise<number[]> {
  const file = await openTokenFile(await openSource(path));
  const tokens = [...(await file.read(0, file.count))];
  await file.close();
  return tokens;
}

const shardsOf = async (prefix: string) =>
  (await readdir(folder))
    .filter((name) => name.startsWith(prefix))
    .sort((a, b) => Number(/\d+/.exec(a)) - Number(/\d+/.exec(b)));

async function contents(): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await readFile(join(folder, name))).toString("base64")])),
  );
}

test("reports the progress of hashing before encoding", async () => {
  const progress: string[] = [];
  const onHashed = (share: number) => progress.push(`read ${share.toFixed(2)}`);
  await prepareItems(await planOf({ onHashed, onProgress: () => progress.push("encoded") }), encode());
  expect(progress.slice(0, 3)).toEqual([expect.stringMatching(/^read 0\.\d\d$/), "read 1.00", "encoded"]);
});

test("every document once, in order, in shards of equal length", async () => {
  const dataset = await prepareItems(await planOf(), encode());
  for (const split of ["train", "val"] as const) {
    const expected = texts.filter((_, i) => (i % 10 === 9) === (split === "val")).flatMap(encodeText);
    const shards = await Promise.all((await shardsOf(split)).map((name) => tokensOf(join(folder, name))));
    expect(shards.flat()).toEqual(expected);
    expect(shards.slice(0, -1).every(({ length }) => length === 300)).toBe(true);
    expect(shards.length).toBe(Math.ceil(expected.length / 300));
    expect(dataset[split]?.tokens).toBe(expected.length);
  }
  expect(dataset).toMatchObject({ documents: 60, tokenizer: "gpt2", train: { file: "train_*.bin" } });
  const loader = await TokenLoader.open(folder, { B: 1, T: 100 });
  expect(loader.numTokens).toBe(dataset.train.tokens);
  await loader.close();
  expect(await readdir(folder)).not.toContain("prepare.json");
});

test("an interrupted run resumes after its finished shards, and gives the same files", async () => {
  await prepareItems(await planOf(), encode());
  const whole = await contents();
  // One document a batch, so that a run can be interrupted anywhere.
  const single: EncodeBatches = async function* (batches) {
    for await (const { places, texts } of batches)
      for (const [i, text] of texts.entries()) {
        const tokens = Uint16Array.from(encodeText(text));
        encoded.push(places[i].item);
        if (encoded.length > most) throw new Error("cut");
        yield { places: [places[i]], tokens, lengths: [tokens.length] };
      }
  };
  let encoded: number[] = [];
  let most = 0;
  for (const cut of [1, 12, 13, 30, 41, 59]) {
    folder = await mkdtemp(join(root, "cut-"));
    [encoded, most] = [[], cut];
    await expect(prepareItems(await planOf(), single)).rejects.toThrow("cut");
    const finished = await shardsOf("train");
    const kept = await Promise.all(finished.map((name) => readFile(join(folder, name))));
    [encoded, most] = [[], 1000];
    await prepareItems(await planOf(), single);
    expect(await contents()).toEqual(whole);
    if (finished.length > 0) expect(encoded.length).toBeLessThan(60);
    expect(kept.map((bytes) => bytes.toString("base64"))).toEqual(finished.map((name) => whole[name]));
  }
});

test("damaged shards, and those of another plan, are rebuilt", async () => {
  await prepareItems(await planOf(), encode());
  const whole = await contents();
  const cut = encode(() => {
    throw new Error("cut");
  });
  for (const damage of [
    async () => writeFile(join(folder, "train_1.bin"), "short"),
    async () => rm(join(folder, "train_0.bin")),
    async () => writeFile(join(folder, "prepare.json"), "{}"),
  ]) {
    folder = await mkdtemp(join(root, "damage-"));
    await expect(prepareItems(await planOf(), cut)).rejects.toThrow("cut");
    expect((await shardsOf("train")).length).toBeGreaterThan(1);
    await damage();
    await prepareItems(await planOf(), encode());
    expect(await contents()).toEqual(whole);
  }
  await expect(prepareItems(await planOf({ shardTokens: 200 }), cut)).rejects.toThrow("cut");
  await prepareItems(await planOf(), encode());
  const { "train_0.bin": first } = await contents();
  expect(first).toBe(whole["train_0.bin"]);
});

/** Ends a run after its first batch, which fills some shards. */
const cutEarly = encode(() => {
  throw new Error("cut");
});

test("in a folder of more shards only those of the new data set are left", async () => {
  const prepare = async (fields: Partial<ItemsPlan>) => {
    const dataset = await prepareItems(await planOf(fields), encode());
    const loader = await TokenLoader.open(folder, { B: 1, T: 50 });
    await loader.close();
    expect(loader.numTokens).toBe(dataset.train.tokens);
    return contents();
  };
  const whole = await prepare({});
  folder = await mkdtemp(join(root, "stale-"));
  await prepare({ shardTokens: 100 });
  expect(await prepare({})).toEqual(whole);
  // The same for an interrupted run with smaller shards.
  await expect(prepareItems(await planOf({ shardTokens: 100 }), cutEarly)).rejects.toThrow("cut");
  expect(await prepare({ shardTokens: 1_000_000 })).not.toHaveProperty("train_1.bin");
  expect((await readdir(folder)).sort()).toEqual(["dataset.json", "tokenizer.bin", "train_0.bin", "val_0.bin"]);
  await writeFile(join(root, "own.txt"), "Some words of a plain text. ".repeat(20));
  await prepareText([join(root, "own.txt")], folder, { tokenizer: "gpt2" });
  expect((await readdir(folder)).sort()).toEqual(["dataset.json", "tokenizer.bin", "train.bin", "val.bin"]);
});

test("shards that prepare did not write are not replaced", async () => {
  for (const name of ["train_0.bin", "train_5.bin", "val_1.bin"]) {
    folder = await mkdtemp(join(root, "mine-"));
    await writeFile(join(folder, name), "mine");
    await expect(prepareItems(await planOf(), encode())).rejects.toThrow(`${name} would be replaced`);
    expect(await contents()).toEqual({ [name]: Buffer.from("mine").toString("base64") });
  }
});

test("of two that prepare into one folder at once, the second is refused", async () => {
  await prepareItems(await planOf(), encode());
  const whole = await contents();
  folder = await mkdtemp(join(root, "both-"));
  const plan = await planOf();
  let refused = 0;
  const second = async () => {
    await expect(prepareItems({ ...plan, rule: "another" }, encode())).rejects.toThrow(
      /prepare\.lock is held by process/,
    );
    await expect(prepareText([new Blob(["a text"])], folder, { tokenizer: "byte" })).rejects.toThrow(
      /is held by process/,
    );
    await expect(writeTokenizer(folder, tokenizer)).rejects.toThrow(/prepare\.lock is held by process/);
    await expect(requirePlace(folder, [])).rejects.toThrow(/process \d+ on \S+ is preparing data there/);
    refused++;
  };
  await prepareItems(plan, async function* (batches) {
    await second();
    yield* encode()(batches);
  });
  expect(refused).toBe(1);
  expect(await contents()).toEqual(whole);
});

test("one whose folder another has taken over puts no file there", async () => {
  const another = { pid: 1, host: "elsewhere", started: "2024-04-08T10:00:00.000Z" };
  const plan = await planOf();
  const takenOver = prepareItems(plan, async function* (batches) {
    writeFileSync(join(folder, "prepare.lock"), JSON.stringify(another));
    yield* encode()(batches);
  });
  await expect(takenOver).rejects.toThrow(/prepare\.lock was taken over by process 1 on elsewhere/);
  expect(await readdir(folder)).toEqual(["prepare.lock"]);
});

test("the lock of a killed process stops no other, and is no text", async () => {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  const gone = { pid, host: hostname(), started: "2024-04-08T10:00:00.000Z" };
  await writeFile(join(folder, "a.txt"), "Some words of a plain text. ".repeat(20));
  await writeFile(join(folder, "prepare.lock"), JSON.stringify(gone));
  expect((await prepareText([folder], folder, { tokenizer: "byte" })).documents).toBe(1);
  expect(await readdir(folder)).not.toContain("prepare.lock");
});

test("files that dataset.json does not count are refused", async () => {
  const { tokens } = (await prepareItems(await planOf(), encode())).train;
  await copyFile(join(folder, "train_0.bin"), join(folder, "train_77.bin"));
  const open = () => TokenLoader.open(folder, { B: 1, T: 50 });
  await expect(open()).rejects.toThrow(`files that hold ${tokens + 300} tokens, expected ${tokens} as`);
  await rm(join(folder, "train_77.bin"));
  await rm(join(folder, "train_0.bin"));
  await expect(open()).rejects.toThrow(/not of one data set.*Prepare the data again/);
});

test("while shards are being replaced, the folder is no data set", async () => {
  await prepareItems(await planOf(), encode());
  await expect(prepareItems(await planOf({ shardTokens: 100 }), cutEarly)).rejects.toThrow("cut");
  await expect(TokenLoader.open(folder, { B: 1, T: 50 })).rejects.toThrow(/prepare has not finished there/);
  await expect(readDataset(folder)).rejects.toThrow(/once more: it completes them/);
  await prepareItems(await planOf({ shardTokens: 100 }), encode());
  expect((await readDataset(folder))?.train.tokens).toBeGreaterThan(0);
});

test("after an interruption, a file that was edited to the same length is read again", async () => {
  const plan = await planOf();
  await expect(prepareItems(plan, cutEarly)).rejects.toThrow("cut");
  expect((await shardsOf("train")).length).toBeGreaterThan(1);
  await writeFile(plan.files[0], (await readFile(plan.files[0], "utf8")).replaceAll("so it goes", "so it went"));
  await prepareItems(plan, encode());
  const resumed = await contents();
  folder = await mkdtemp(join(root, "fresh-"));
  await prepareItems({ ...plan, folder }, encode());
  expect(resumed).toEqual(await contents());
});

test("bytes and characters that are no text are refused with their row", async () => {
  const damaged = await readFile(fixturePath("docs_none.parquet"));
  const at = damaged.indexOf("Text 6: 漢");
  expect(at).toBeGreaterThan(0);
  damaged[at + 5] = 0xff;
  const path = join(root, "bytes.parquet");
  await writeFile(path, damaged);
  await expect(collect(readItems(path, ["text"]))).rejects.toThrow(
    /bytes\.parquet, row 7: the column "text" is not valid UTF-8 at byte 5: found ff 3a 20 e6/,
  );
  const plan = await planOf();
  await writeFile(plan.files[0], '{"body":"one"}\n{"body":"a\\ud83d"}\n');
  await expect(prepareItems(plan, encode())).rejects.toThrow(
    /a\.jsonl, line 2: the field "body" .*character 2 .*U\+D83D/,
  );
});

test("HellaSwag's texts are ordinary, and whole", () => {
  const example = (ctx: string, ending: string) =>
    hellaSwagExample({ name: "row 1", value: { ctx, label: 0, endings: [ending, "b", "c", "d"] } }, tokenizer);
  expect(() => example("a", "\udc00")).toThrow(/row 1: the field "endings" .*U\+DC00/);
  const { context, endings } = example("a <|endoftext|> b", "<|endoftext|>");
  expect(context).toEqual([64, 1279, 91, 437, 1659, 5239, 91, 29, 275]);
  expect(endings.flat()).not.toContain(endOfText);
});

test("what is wrong with the data says where", async () => {
  const plan = await planOf();
  await expect(prepareItems({ ...plan, field: "text" }, encode())).rejects.toThrow(
    /a\.jsonl, line 1: the field "text" is missing\. Its fields are: id, body/,
  );
  await writeFile(join(root, "empty.jsonl"), "\n");
  const empty = prepareItems({ ...plan, files: [join(root, "empty.jsonl")] }, encode());
  await expect(empty).rejects.toThrow(/there are no documents/);
  await writeFile(join(root, "list.jsonl"), "[1]\n");
  await expect(prepareItems({ ...plan, files: [join(root, "list.jsonl")] }, encode())).rejects.toThrow(InputError);
  expect(await readdir(folder)).toEqual([]);
});

test.each(["zstd", "snappy", "gzip", "none"])("parquet: %s", async (codec) => {
  const found: unknown[] = [];
  const shares: number[] = [];
  const path = fixturePath(`docs_${codec}.parquet`);
  for await (const { value } of readItems(path, ["text", "endings"], { onShare: (share) => shares.push(share) }))
    found.push(value);
  const endings = (i: number) => ["a", "b", "c", `ending ${i}`];
  expect(found).toEqual(Array.from({ length: 12 }, (_, i) => ({ text: `Text ${i}: 漢字.`, endings: endings(i) })));
  // Groups of five rows.
  expect(shares).toEqual([5 / 12, 10 / 12, 1]);
  const other = readItems(path, ["body"]).next();
  await expect(other).rejects.toThrow(/no column "body"\. Its columns are: id, text, endings\.$/);
  await expect(readTexts(path, "body").next()).rejects.toThrow(/endings\. Name the one that holds .* --field NAME\.$/);
  await expect(readTexts(path, "id").next()).rejects.toThrow(
    /field "id" is 0, no text\. Its fields are: id, text, endings\./,
  );
  const texts = await collect(readTexts(path, "text"));
  expect(texts[11]).toEqual({ name: expect.stringContaining("row 12"), text: "Text 11: 漢字." });
  expect(await fieldsOf(path)).toEqual({ names: ["id", "text", "endings"], texts: ["text"], isTalk: false });
});

test("a damaged parquet file says so", async () => {
  const bytes = await readFile(fixturePath("docs_zstd.parquet"));
  const path = join(root, "damaged.parquet");
  for (const damaged of [bytes.subarray(0, 100), bytes.fill(255, 60, 120), Buffer.alloc(0)]) {
    await writeFile(path, damaged);
    await expect(collect(readItems(path, ["text"]))).rejects.toThrow(/not a parquet file, or is damaged/);
  }
});
