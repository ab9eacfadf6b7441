import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { InputError, UsageError } from "../errors.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import { findTokenizer, readDataset } from "./dataset.ts";
import { TokenLoader } from "./loader.ts";
import { type PrepareProgress, prepareText, prepareTinyshakespeare } from "./prepare.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-ts-prepare-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string) => `${folder}/${name}`;
const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** The tokens of a file, by llm.c's format. */
function tokensIn(path: string): number[] {
  const bytes = readFileSync(path);
  expect([bytes.readInt32LE(0), bytes.readInt32LE(4)]).toEqual([20240520, 1]);
  const tokens = new Uint16Array(new Uint8Array(bytes.subarray(1024)).buffer);
  expect(tokens.length).toBe(bytes.readInt32LE(8));
  return [...tokens];
}

test("tiny Shakespeare in GPT-2's tokens is llm.c's, byte for byte", async () => {
  const dataset = await prepareTinyshakespeare(folder, { tokenizer: "gpt2" });
  expect(dataset.train).toEqual({ file: "tiny_shakespeare_train.bin", tokens: 305260 });
  expect(dataset.val).toEqual({ file: "tiny_shakespeare_val.bin", tokens: 32768 });
  expect(sha256(file("tiny_shakespeare_train.bin"))).toBe(
    "8a70606be574040c26d225694f5f9759973b419852d22f7fe5c118e1b359dcc8",
  );
  expect(sha256(file("tiny_shakespeare_val.bin"))).toBe(
    "fe99db720dc7c83e694806d4e047a952909411da1daccde4ccc2e55f40882a62",
  );
  expect(await readDataset(folder)).toEqual(dataset);
  const tokenizer = await findTokenizer(folder);
  expect(tokenizer).toMatchObject({ kind: "gpt2", vocabSize: 50257, endOfText: 50256 });
  await expect(prepareTinyshakespeare(folder, { tokenizer: "gpt2", valFraction: 0.5 })).rejects.toThrow(UsageError);
});

test("another model's tokenizer in the folder stops before the text is read", async () => {
  writeFileSync(file("a.txt"), "abcd\n".repeat(100));
  await prepareText([file("a.txt")], file("out"), { tokenizer: "char" });
  writeFileSync(file("out/model.safetensors"), "");
  const seen: PrepareProgress[] = [];
  const options = { tokenizer: "byte", onProgress: (progress: PrepareProgress) => seen.push(progress) } as const;
  await expect(prepareText([file("a.txt")], file("out"), options)).rejects.toThrow(
    /holds another tokenizer \(tokenizer\.bin\), which belongs to model\.safetensors/,
  );
  expect(seen).toEqual([]);
  expect(await findTokenizer(file("out"))).toMatchObject({ kind: "char" });
});

test("tiny Shakespeare in characters is split as nanoGPT does", async () => {
  const dataset = await prepareTinyshakespeare(folder, { tokenizer: "char" });
  expect(dataset).toMatchObject({ vocabSize: 65, bytes: 1115394, documents: 1 });
  expect(dataset.train.tokens).toBe(1003854);
  expect(dataset.val?.tokens).toBe(111540);
  const text = readFileSync(new URL("../../data/tinyshakespeare.txt", import.meta.url), "utf8");
  const tokenizer = await findTokenizer(file("tiny_shakespeare_val.bin"));
  expect(tokenizer?.kind).toBe("char");
  expect(tokenizer?.decode(tokensIn(file("tiny_shakespeare_train.bin")))).toBe(text.slice(0, 1003854));
  expect(tokenizer?.decode(tokensIn(file("tiny_shakespeare_val.bin")))).toBe(text.slice(1003854));
  const loader = await TokenLoader.open(folder, { B: 4, T: 64, order: "random", V: 65 });
  expect(loader.numTokens).toBe(1003854);
  await loader.next();
});

test.each(["gpt2", "char", "byte"] as const)("%s takes several documents", async (kind) => {
  mkdirSync(file("in/deep"), { recursive: true });
  writeFileSync(file("in/b.txt"), "second é\n");
  writeFileSync(file("in/a.txt"), "first 🙂 text\n");
  writeFileSync(file("in/deep/c.md"), "the third\n");
  writeFileSync(file("in/empty.txt"), "");
  writeFileSync(file("in/picture.png"), Uint8Array.of(137, 80, 78, 71, 0, 0));
  const seen: PrepareProgress[] = [];
  const onProgress = (progress: PrepareProgress) => seen.push(progress);
  const dataset = await prepareText([file("in")], file("out"), { tokenizer: kind, valFraction: 0.25, onProgress });
  expect(dataset).toMatchObject({ documents: 3, tokenizer: kind, source: file("in") });
  const [train, val] = [tokensIn(file("out/train.bin")), tokensIn(file("out/val.bin"))];
  expect(train.length).toBe(Math.floor((train.length + val.length) * 0.75));
  const end = kind === "gpt2" ? "<|endoftext|>" : "";
  const texts = ["first 🙂 text\n", "second é\n", "the third\n"];
  const tokenizer = await findTokenizer(file("out"));
  expect(tokenizer?.decode([...train, ...val])).toBe(texts.join(end));
  expect(dataset.sha256).toBe(createHash("sha256").update(texts.join("")).digest("hex"));
  expect(seen.at(-1)).toEqual({ bytesDone: 36, bytesTotal: 36, tokens: train.length + val.length });
  // Again, into the folder of the texts: the files written there are no texts.
  await prepareText([file("in")], file("in"), { tokenizer: kind });
  expect((await prepareText([file("in")], file("in"), { tokenizer: kind })).documents).toBe(3);
});

test("the tokens of a long text are those of the text in one piece", async () => {
  const parts = ["Lorem  ipsum\tdolor,\n\n\n it's ", "好的 1234 ", "   ", "🙂🙂 x<|endoftext|>y "];
  let text = "";
  for (let i = 0; text.length < 3 << 20; i++) text += parts[(i * i + (i >> 3)) % parts.length];
  writeFileSync(file("long.txt"), text);
  await prepareText([file("long.txt")], folder, { tokenizer: "gpt2", valFraction: 0 });
  expect(existsSync(file("val.bin"))).toBe(false);
  const expected = Uint16Array.from((await gpt2Tokenizer()).encode(text));
  const tokens = Uint16Array.from(tokensIn(file("train.bin")));
  expect(Buffer.compare(Buffer.from(tokens.buffer), Buffer.from(expected.buffer))).toBe(0);
});

test("a text in a named encoding gives the tokens of the same in UTF-8", async () => {
  const text = "häuser\nñandú 100 €\n".repeat(5);
  const utf16 = (bigEndian: boolean) => {
    const bytes = Buffer.from(`\ufeff${text}`, "utf16le");
    return bigEndian ? bytes.swap16() : bytes;
  };
  writeFileSync(file("utf8.txt"), text);
  writeFileSync(file("latin.txt"), Buffer.from(text.replaceAll("€", "\x80"), "latin1"));
  writeFileSync(file("le.txt"), utf16(false));
  writeFileSync(file("be.txt"), utf16(true));
  const cases = [
    ["utf8", undefined],
    ["latin", "LATIN1"],
    ["le", "utf-16"],
    ["be", "UTF-16"],
    ["le", "utf-16le"],
  ] as const;
  for (const tokenizer of ["gpt2", "char", "byte"] as const) {
    const found = [];
    for (const [name, encoding] of cases) {
      await prepareText([file(`${name}.txt`)], file("out"), { tokenizer, valFraction: 0, encoding });
      found.push(tokensIn(file("out/train.bin")));
    }
    for (const tokens of found) expect(tokens).toEqual(found[0]);
  }
});

test("bytes need not be UTF-8", async () => {
  writeFileSync(file("raw"), Uint8Array.of(0xff, 0xfe, 0, 1, 2));
  await prepareText([file("raw")], folder, { tokenizer: "byte", valFraction: 0 });
  expect(tokensIn(file("train.bin"))).toEqual([0xff, 0xfe, 0, 1, 2]);
});

test.each([
  ["missing", undefined, {}, /does not exist/],
  ["empty.txt", "", {}, /the text is empty/],
  ["short.txt", "abc", {}, /too short: val\.bin would hold 1 tokens/],
  ["short.txt", "a", { valFraction: 0 }, /too short: train\.bin would hold 1 tokens/],
  ["latin1.txt", Uint8Array.of(97, 10, 98, 0xe9, 99), {}, /not valid UTF-8 at byte 3 \(line 2\): found e9 63/],
  ["cut.txt", Uint8Array.of(97, 0xe2, 0x82), {}, /not valid UTF-8 at byte 1 \(line 1\): found e2 82/],
  [
    "utf16.txt",
    Uint8Array.of(0xff, 0xfe, 97, 0),
    {},
    /at byte 0 \(line 1\): found ff fe 61 00\. It seems to be a text in UTF-16LE/,
  ],
  ["zero.txt", Uint8Array.of(97, 98, 0, 1, 2, 3), {}, /is not text: byte 2 \(line 1\) is zero/],
  ["numbers.bin", "a,b,c", {}, /numbers\.bin is not text, but by its name a file of numbers/],
  ["uint16.bin", Uint8Array.from({ length: 64 }, (_, i) => (i % 2 ? 0 : i)), {}, /tokens without a header \(uint16\)/],
  ["a.jsonl", '{"text":"a"}', {}, /a\.jsonl holds documents with fields, and no plain text/],
  ["big5.txt", "a", { encoding: "nope" }, /No encoding is called "nope"/],
  ["already.txt", "ü".repeat(30), { encoding: "gbk" }, /already\.txt is a text in UTF-8 already/],
  ["broken.txt", Uint8Array.of(97, 10, 0x81), { encoding: "gbk" }, /is not valid in gbk at line 2/],
  ["surrogate.txt", Uint8Array.of(0xed, 0xa0, 0x80, 97), {}, /at byte 0/],
  ["*.none", undefined, {}, /No file matches/],
  ["", undefined, {}, /holds no text files/],
])("%s is refused, and the folder stays as it was", async (name, content, options, message) => {
  mkdirSync(file("in"));
  if (content !== undefined) writeFileSync(file(`in/${name}`), content);
  mkdirSync(file("out"));
  writeFileSync(file("out/train.bin"), "old");
  const earlier = JSON.stringify({ tokenizer: "char", train: { file: "train.bin", tokens: 2 } });
  writeFileSync(file("out/dataset.json"), earlier);
  const failure = expect(prepareText([file(`in/${name}`)], file("out"), { tokenizer: "char", ...options })).rejects;
  await failure.toThrow(InputError);
  await failure.toThrow(message);
  expect(readdirSync(file("out"))).toEqual(["dataset.json", "train.bin"]);
  expect(readFileSync(file("out/train.bin"), "utf8")).toBe("old");
  expect(readFileSync(file("out/dataset.json"), "utf8")).toBe(earlier);
});

test("a data set of which only some files took their places is refused until it is whole", async () => {
  const out = file("out");
  const prepare = (text: string, onProgress?: () => void) => {
    writeFileSync(file("text.txt"), text);
    return prepareText([file("text.txt")], out, { tokenizer: "byte", onProgress });
  };
  await prepare("one text ".repeat(20));
  // The validation file cannot be renamed to its final name: a folder has that name by then.
  const cut = prepare("another text ".repeat(20), () => {
    rmSync(join(out, "val.bin"));
    mkdirSync(join(out, "val.bin", "inner"), { recursive: true });
  });
  await expect(cut).rejects.toThrow(InputError);
  rmSync(join(out, "val.bin"), { recursive: true });
  const reads = [() => TokenLoader.open(out, { B: 1, T: 8 }), () => readDataset(out), () => findTokenizer(out)];
  for (const read of reads)
    await expect(read()).rejects.toThrow(/prepare has not finished there.*the same llm-ts prepare command once more/);
  await prepare("another text ".repeat(20));
  expect(readdirSync(out).sort()).toEqual(["dataset.json", "tokenizer.bin", "train.bin", "val.bin"]);
  await (await TokenLoader.open(out, { B: 1, T: 8 })).close();
});

test.each([
  ["train.bin", /train\.bin would be replaced, and there is no dataset\.json beside it/],
  ["val.bin", /val\.bin would be replaced.*write into another folder: llm-ts prepare -o/],
  ["dataset.json", /dataset\.json would be replaced, and is none that llm-ts prepare wrote/],
  ["prepare.json", /prepare\.json would be replaced, and is none that llm-ts prepare wrote/],
  ["tokenizer.bin", /tokenizer\.bin/],
])("a %s that prepare did not write is not replaced", async (name, message) => {
  const out = file("out");
  mkdirSync(out);
  writeFileSync(join(out, name), '{"mine": true}');
  writeFileSync(file("text.txt"), "some text ".repeat(20));
  const prepared = prepareText([file("text.txt")], out, { tokenizer: "byte" });
  await expect(prepared).rejects.toThrow(InputError);
  await expect(prepared).rejects.toThrow(message);
  expect(readdirSync(out)).toEqual([name]);
  expect(readFileSync(join(out, name), "utf8")).toBe('{"mine": true}');
});

test("another program's prepare.json does not make a data set unfinished", async () => {
  writeFileSync(file("text.txt"), "some text ".repeat(20));
  const dataset = await prepareText([file("text.txt")], file("out"), { tokenizer: "byte" });
  writeFileSync(file("out/prepare.json"), '{"mine": true}');
  expect(await readDataset(file("out"))).toEqual(dataset);
});

test("one whose folder another has taken over puts no file there", async () => {
  writeFileSync(file("text.txt"), "some text ".repeat(20));
  await prepareText([file("text.txt")], file("out"), { tokenizer: "byte" });
  const before = readFileSync(file("out/train.bin"));
  const another = { pid: 1, host: "elsewhere", started: "2024-04-08T10:00:00.000Z" };
  const takeOver = () => writeFileSync(file("out/prepare.lock"), JSON.stringify(another));
  const prepared = prepareText([file("text.txt")], file("out"), { tokenizer: "char", onProgress: takeOver });
  await expect(prepared).rejects.toThrow(/prepare\.lock was taken over by process 1 on elsewhere/);
  expect(readFileSync(file("out/train.bin"))).toEqual(before);
  expect(readdirSync(file("out")).sort()).toEqual([
    "dataset.json",
    "prepare.lock",
    "tokenizer.bin",
    "train.bin",
    "val.bin",
  ]);
});

test("beside a data set, a file that it does not name and another's tokenizer stay", async () => {
  const out = file("out");
  writeFileSync(file("text.txt"), "some text ".repeat(20));
  await prepareText([file("text.txt")], out, { tokenizer: "byte", valFraction: 0 });
  writeFileSync(join(out, "val.bin"), "mine");
  const again = prepareText([file("text.txt")], out, { tokenizer: "byte" });
  await expect(again).rejects.toThrow(/val\.bin would be replaced, and dataset\.json there does not name it/);
  expect(readFileSync(join(out, "val.bin"), "utf8")).toBe("mine");
  // A tokenizer alone is no data set, whatever its tokens.
  for (const name of ["dataset.json", "train.bin", "val.bin"]) rmSync(join(out, name));
  const before = readFileSync(join(out, "tokenizer.bin"));
  await expect(prepareText([file("text.txt")], out, { tokenizer: "gpt2" })).rejects.toThrow(/holds another tokenizer/);
  expect(readFileSync(join(out, "tokenizer.bin"))).toEqual(before);
});

test("an invalid byte is found wherever chunks are cut", async () => {
  const good = `${"é🙂x\n".repeat(200000)}`;
  writeFileSync(file("bad.txt"), Buffer.concat([Buffer.from(good), Buffer.of(0xf0, 0x9f, 0x99), Buffer.from("x")]));
  await expect(prepareText([file("bad.txt")], folder, { tokenizer: "gpt2" })).rejects.toThrow(
    /at byte 1600000 \(line 200001\): found f0 9f 99 78/,
  );
});

test("a folder that cannot be made is refused", async () => {
  writeFileSync(file("file"), "text");
  await expect(prepareText([file("file")], file("file"), { tokenizer: "byte" })).rejects.toThrow(/is a file/);
  await expect(prepareText([file("file")], file("file/x"), { tokenizer: "byte" })).rejects.toThrow(InputError);
  await expect(prepareText([file("file")], folder, { tokenizer: "byte", valFraction: 1 })).rejects.toThrow(UsageError);
});
