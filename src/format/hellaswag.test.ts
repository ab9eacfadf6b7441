import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSource } from "../platform/node-files.ts";
import { type HellaSwagExample, readHellaSwag, writeHellaSwag } from "./hellaswag.ts";
import { save } from "./save.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "llm-ts-hellaswag-"));
});
afterAll(() => rm(folder, { recursive: true }));

const examples: HellaSwagExample[] = [
  { context: [5, 6, 7], endings: [[1], [2, 3], [4], [50256, 9]], label: 3 },
  { context: [8], endings: [[1, 2], [3], [4, 5], [6, 7, 8]], label: 0 },
];
/** As dev/data/data_common.py's write_evalfile lays them out. */
const words = [
  [65535, 38, 0, 3, 4, 3, 5, 6, 7, 1, 1, 2, 2, 3, 1, 4, 2, 50256, 9],
  [65535, 38, 1, 0, 4, 1, 8, 2, 1, 2, 1, 3, 2, 4, 5, 3, 6, 7, 8],
].flat();

async function written(list: readonly HellaSwagExample[]): Promise<Uint8Array> {
  const path = join(folder, "hellaswag.bin");
  await save(path, (sink) => writeHellaSwag(sink, list));
  return new Uint8Array(await readFile(path));
}

const read = async (bytes: Uint8Array, limit?: number) => readHellaSwag(await openSource(bytes), limit);
const plain = (list: readonly HellaSwagExample[]) =>
  list.map(({ context, endings, label }) => ({
    context: Array.from(context),
    endings: endings.map((ending) => Array.from(ending)),
    label,
  }));

test("examples are written as llm.c does, and come back", async () => {
  const bytes = await written(examples);
  expect([...new Int32Array(bytes.buffer, 0, 4)]).toEqual([20240522, 1, 2, 38]);
  expect([...new Uint16Array(bytes.buffer, 1024)]).toEqual(words);
  expect(plain(await read(bytes))).toEqual(plain(examples));
  expect(await read(bytes, 1)).toHaveLength(1);
});

test.each([
  ["marker", 0, 1, /example 0, at byte 1024: its marker is 1/],
  ["index", 19 + 2, 7, /example 1, at byte 1062: its index is 7, expected 1/],
  ["label", 3, 4, /its label is 4, expected 0 to 3/],
  ["number of endings", 4, 5, /number of its endings is 5/],
  ["context length", 5, 60000, /number of tokens in a part is 60000/],
  ["an empty part", 9, 0, /number of tokens in a part is 0/],
  ["bytes", 1, 36, /number of tokens in a part is 2/],
  ["no bytes", 1, 0, /number of tokens in a part is missing/],
])("a damaged file says where: %s", async (_, word, value, message) => {
  const bytes = await written(examples);
  new Uint16Array(bytes.buffer, 1024)[word] = value;
  await expect(read(bytes)).rejects.toThrow(message);
});

test("a truncated file, and what does not fit 16 bits", async () => {
  const bytes = await written(examples);
  await expect(read(bytes.subarray(0, -2))).rejects.toThrow(/example 1.*its length in bytes is 38/);
  await expect(read(bytes.subarray(0, 1060))).rejects.toThrow(/number of examples/);
  await expect(written([{ ...examples[0], context: new Uint16Array(40000) }])).rejects.toThrow(/at most 65535/);
});
