import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MemorySink } from "../../test/memory-sink.ts";
import { InputError } from "../errors.ts";
import { headerBytes, makeHeader } from "../format/header.ts";
import { readModel } from "../format/model.ts";
import { writeSafetensors } from "../format/safetensors.ts";
import { streamOf } from "../format/tensors.ts";
import { writeVocabulary } from "../format/tokenizer.ts";
import { openSource } from "../platform/node-files.ts";
import { byteTokenizer } from "../tokenizer/byte.ts";
import { gpt2HuggingFaceFiles } from "../tokenizer/huggingface-files.ts";
import { describe } from "./describe.ts";

const fixture = (name: string) =>
  openSource(new Uint8Array(readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url))));

function llmc(fields: Record<number, number>, body: ArrayBufferView = new Uint8Array()) {
  const bytes = new Uint8Array(headerBytes + body.byteLength);
  bytes.set(makeHeader(fields));
  bytes.set(new Uint8Array(body.buffer), headerBytes);
  return openSource(bytes);
}

async function write(fill: (sink: MemorySink) => Promise<void>) {
  const sink = new MemorySink();
  await fill(sink);
  return sink.source();
}

test("every format is recognised and described", async () => {
  const model = await fixture("gpt2_tiny.bin");
  const { config } = await readModel(model);
  // 28,672 of the parameters are in matrices: 4, 2 and 34/32 bytes each.
  const memory = { f32: 4 * 30080, bf16: 2 * 28672 + 4 * 1408, int8: 1.0625 * 28672 + 4 * 1408 };
  const sizes = { parameters: 30080, memory, L: 2, NH: 4, C: 32, maxT: 16, V: 101, Vp: 128 };
  expect(await describe(model)).toEqual({
    format: "llm.c model",
    bytes: 121344,
    version: 3,
    dtype: "f32",
    ...sizes,
  });
  expect(await describe(await fixture("gpt2_tiny_debug_state.bin"))).toMatchObject({
    format: "llm.c debug state",
    version: 2,
    B: 2,
    T: 12,
  });
  const safetensors = await write((sink) =>
    writeSafetensors(
      sink,
      streamOf(config, async (_name, _start, length) => new Float32Array(length)),
    ),
  );
  expect(await describe(safetensors)).toMatchObject({
    format: "safetensors model",
    dtype: "F32",
    tensors: 28,
    ...sizes,
    hidden: 128,
    epsilon: 1e-5,
    gelu: "tanh",
  });
  const tokens = await llmc({ 0: 20240520, 1: 1, 2: 3 }, Uint16Array.of(5, 65535, 7));
  expect(await describe(tokens)).toMatchObject({ format: "tokens", tokens: 3, bytesPerToken: 2, largestToken: 65535 });
  const tokens32 = await llmc({ 0: 20240801, 1: 7, 2: 2 }, Uint32Array.of(5, 4294967295));
  expect(await describe(tokens32)).toMatchObject({ tokens: 2, bytesPerToken: 4, largestToken: 4294967295 });
  const old = await openSource(new Uint8Array(Int32Array.of(5, 7).buffer));
  expect(await describe(old, { headerless: true })).toMatchObject({ format: "tokens", tokens: 2, largestToken: 7 });
  const tokenizer = await write((sink) => writeVocabulary(sink, byteTokenizer().tokens(), undefined));
  expect(await describe(tokenizer)).toMatchObject({
    format: "tokenizer",
    kind: "byte",
    tokens: 256,
    endOfText: "none",
    longestToken: 1,
  });
  const optimizer = await llmc({ 0: 20240527, 1: 1, 2: 8, 3: 2, 4: 1, 5: 1, 10: 500, 30: 3, 32: 4 });
  expect(await describe(optimizer)).toEqual({
    format: "llm.c optimizer state",
    bytes: 1024,
    processes: 8,
    rank: 2,
    masterWeights: true,
    shuffled: true,
    step: 500,
    shard: 3,
    sample: 4,
  });
  expect(await describe(await llmc({ 0: 20240527, 1: 2, 2: 1 }))).toMatchObject({ format: "llm.ts optimizer state" });
  const hellaswag = await llmc({ 0: 20240522, 1: 1, 2: 2, 3: 44 }, new Uint16Array(40));
  expect(await describe(hellaswag)).toMatchObject({ format: "HellaSwag", examples: 2, longestExampleBytes: 44 });
});

test("texts and documents are recognised, safetensors whatever white space their header begins with", async () => {
  const text = (content: string) => openSource(new TextEncoder().encode(content));
  expect(await describe(await text("To be, or not to be"))).toEqual({ format: "text", bytes: 19 });
  expect(await describe(await text("<!DOCTYPE html>"))).toMatchObject({ format: "text" });
  expect(await describe(await text("火车".repeat(30000)))).toMatchObject({ format: "text" });
  expect(await describe(await text("{}"))).toEqual({ format: "JSON", bytes: 2 });
  expect(await describe(await fixture("docs_none.parquet"))).toMatchObject({
    format: "documents, Parquet",
    fields: "id, text, endings",
  });
  await expect(describe(await openSource(new File(['{"a": '], "a.json")))).rejects.toThrow(
    /is not valid JSON: .* It is damaged/,
  );
  const padded = await openSource(latin1(`\x04\0\0\0\0\0\0\0\n {}`));
  expect(await describe(padded)).toEqual({
    format: "safetensors",
    bytes: 12,
    dtype: "none",
    tensors: 0,
    numbers: 0,
    names: "none",
    model: expect.stringMatching(/^none: .*(no GPT-2|not those of a GPT-2)/),
  });
});

test("JSON lines are described by the fields of the first, a tokenizer.json as a tokenizer", async () => {
  const lines = (content: string) => openSource(new File([content], "a.jsonl"));
  const formatOf = async (content: string) => (await describe(await lines(content))).format;
  expect(await describe(await lines('{"text": "a", "id": 1}\n{"text": "b"}'))).toMatchObject({
    format: "documents, JSON lines",
    fields: "text, id",
  });
  expect(await formatOf('{"messages": []}\n')).toBe("conversations, JSON lines");
  expect(await formatOf('{"conversations": []}\n')).toBe("conversations, JSON lines");
  expect(await formatOf('{"body": "a"}\n')).toBe("JSON lines");
  expect(await formatOf('\ufeff{"messages": []}\n')).toBe("conversations, JSON lines");
  await expect(formatOf('{"text": \n{}')).rejects.toThrow(/line 1 is not JSON/);
  const files = await gpt2HuggingFaceFiles(1024);
  const tokenizer = await openSource(new File([files["tokenizer.json"]], "tokenizer.json"));
  expect(await describe(tokenizer)).toMatchObject({
    format: "tokenizer",
    kind: "gpt2",
    tokens: 50257,
    endOfText: 50256,
    longestToken: 128,
  });
});

const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

test.each<[string, Promise<Awaited<ReturnType<typeof openSource>>>, RegExp]>([
  ["nothing", openSource(new Uint8Array()), /bytes in memory is empty/],
  ["bytes of nothing known", openSource(Uint8Array.of(1, 2, 3, 0, 255)), /none of the formats/],
  [
    "PyTorch's zip",
    openSource(latin1(`PK\x03\x04${"\0".repeat(26)}archive/data.pkl`)),
    /is a PyTorch file \(pickle\)\..*safetensors.*\n {2}python3 -c "import sys, torch, .*'model\.safetensors'\)" /s,
  ],
  [
    "PyTorch's old format",
    openSource(latin1("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.")),
    /is a PyTorch file/,
  ],
  ["another pickle", openSource(latin1("\x80\x04\x95\x00")), /is a Python pickle/],
  ["a zip", openSource(latin1("PK\x03\x04rest")), /is a zip archive\. Unpack it/],
  ["a tokenizer of minbpe", openSource(latin1("minbpe v1\n\n0\n97 97\n")), /is a tokenizer of minbpe\. llm-ts reads/],
  [
    "a pointer",
    openSource(latin1("version https://git-lfs.github.com/spec/v1\noid sha256:1")),
    /pointer of Git LFS.*git lfs pull/,
  ],
  ["a GGUF that is cut off", openSource(latin1("GGUF\x03\x00\x00\x00")), /is damaged: its header ends behind byte 8/],
  ["an optimizer state of version 3", llmc({ 0: 20240527, 1: 3 }), /\[1\] \(version, byte 4\) is 3, expected 1 or 2/],
  [
    "an optimizer state of rank 8 of 8",
    llmc({ 0: 20240527, 1: 1, 2: 8, 3: 8 }),
    /\[3\] \(rank, byte 12\) is 8, expected 0 to 7/,
  ],
  ["too many examples", llmc({ 0: 20240522, 1: 1, 2: 3 }, new Uint16Array(20)), /\[2\] .* is 3, expected 0 to the 2 /],
])("%s is refused", async (_, source, message) => {
  const failure = expect(describe(await source)).rejects;
  await failure.toThrow(InputError);
  await failure.toThrow(message);
});

test("marks of a run folder and the merges of a tokenizer are no texts to train on", async () => {
  const named = async (name: string, content: string) => describe(await openSource(new File([content], name)));
  expect(await named("KEEP_00000100", "needed by runs/a\nneeded by runs/b\n")).toEqual({
    format: "mark of a checkpoint that is kept",
    bytes: 34,
    step: 100,
    because: "needed by runs/a; needed by runs/b",
  });
  expect(await named("DONE_00000100", "")).toMatchObject({
    format: "mark of a checkpoint that is complete",
    step: 100,
  });
  expect(await named("main.log", "s:0 tel:6.07\ns:0 trl:6.7 lr:0.1\n")).toMatchObject({
    format: "log of a run, as llm.c writes it",
    lines: 2,
  });
  expect(await named("main.log", "words\n")).toEqual({ format: "text", bytes: 6 });
  await expect(named("nothing.txt", "")).rejects.toThrow("nothing.txt is empty. Give another file.");
  expect(await named("merges.txt", "#version: 0.2\nh e\nl l\n")).toMatchObject({ merges: 2 });
  expect(await named("merges.txt", "#version: 0.2\n")).toMatchObject({ merges: 0 });
  expect(await named("merges.txt", "A novel that is called merges.\n")).toEqual({ format: "text", bytes: 31 });
  await expect(named("merges.txt", "")).rejects.toThrow("merges.txt is empty. Give another file.");
  expect(await named("my merges.txt", "h e\n")).toEqual({ format: "text", bytes: 4 });
  expect(await named("vocab.json", '{"h":0,"e":1}')).toMatchObject({
    format: "vocabulary of a BPE tokenizer",
    tokens: 2,
  });
  expect(await named("vocab.json", '{"h":"a"}')).toMatchObject({ format: "JSON" });
});
