import { expect, test } from "vitest";
import { MemorySink } from "../../test/memory-sink.ts";
import { InputError } from "../errors.ts";
import { openSource } from "../platform/node-files.ts";
import { makeHeader } from "./header.ts";
import { openTokenFile, TokenWriter } from "./tokens.ts";

const ids = [0, 1, 65535, 50256, 7];

test.each([2, 4] as const)("tokens of %i bytes come back", async (tokenBytes) => {
  const sink = new MemorySink();
  const writer = await TokenWriter.create(sink, tokenBytes);
  await writer.write(ids.slice(0, 2));
  await writer.write(Uint16Array.from(ids.slice(2)));
  await writer.rewrite(1, [9]);
  expect(await writer.readBack(0, 3)).toEqual(Int32Array.of(0, 9, 65535));
  await writer.truncate(4);
  await writer.finish();
  expect(sink.size).toBe(1024 + 4 * tokenBytes);
  const file = await openTokenFile(await sink.source());
  expect(file).toMatchObject({ count: 4, tokenBytes });
  expect(await file.read(0, 4)).toEqual(Int32Array.of(0, 9, 65535, 50256));
  expect(await file.read(2, 1)).toEqual(Int32Array.of(65535));
});

test("files of April 2024 are read when asked for, and recognised when not", async () => {
  const tokens = Int32Array.from({ length: 300 }, (_, i) => i);
  const bytes = new Uint8Array(tokens.buffer);
  const file = await openTokenFile(await openSource(bytes), { headerless: true });
  expect(await file.read(298, 2)).toEqual(Int32Array.of(298, 299));
  await expect(openTokenFile(await openSource(bytes))).rejects.toThrow(/read it with --headerless\./);
  const odd = await openSource(bytes.slice(1));
  await expect(openTokenFile(odd, { headerless: true })).rejects.toThrow(/has 1199 bytes, expected a multiple of 4/);
});

test("nanoGPT's files are read when asked for, and recognised when not", async () => {
  const tokens = Uint16Array.from({ length: 301 }, (_, i) => (i * 31) % 65);
  const open = async (headerless?: boolean | "int32" | "uint16", bytes = new Uint8Array(tokens.buffer)) =>
    openTokenFile(await openSource(bytes), { headerless });
  const file = await open("uint16");
  expect([file.count, file.tokenBytes]).toEqual([301, 2]);
  expect(await file.read(0, 301)).toEqual(Int32Array.from(tokens));
  await expect(open()).rejects.toThrow(/token file of nanoGPT's.*read it with --headerless uint16\./);
  const even = new Uint8Array(tokens.buffer, 0, 600);
  await expect(open(true, even)).rejects.toThrow(/seems to hold uint16 tokens, and not int32.*--headerless uint16/);
  const int32 = new Uint8Array(Int32Array.from(tokens).buffer);
  await expect(open("uint16", int32)).rejects.toThrow(/seems to hold int32 tokens, and not uint16/);
  await expect(open("uint16", new Uint8Array(33))).rejects.toThrow(/has 33 bytes, expected a multiple of 2 for uint16/);
  const withHeader = new Uint8Array(Int32Array.from({ length: 300 }, (_, i) => (i === 0 ? 20240520 : 1)).buffer);
  await expect(open(true, withHeader)).rejects.toThrow(/has a header \(a token file\)\. Read it without/);
  await expect(
    open(undefined, new TextEncoder().encode("A text of some length, no tokens.".repeat(50))),
  ).rejects.toThrow(/^(?!.*--headerless)/);
});

test.each([
  [{ 0: 20240326 }, 0, /this is a model checkpoint/],
  [{ 0: 20240520, 1: 2 }, 0, /\[1\] \(version, byte 4\) is 2, expected 1/],
  [{ 0: 20240801, 1: 1 }, 0, /\[1\] \(version, byte 4\) is 1, expected 7/],
  [{ 0: 20240520, 1: 1, 2: -1 }, 0, /\[2\] \(number of tokens, byte 8\) is -1/],
  [{ 0: 20240520, 1: 1, 2: 2147483647 }, 2, /expected 4294968318 .*truncated: 4294967292 bytes/],
  [{ 0: 20240520, 1: 1, 2: 1 }, 4, /2 bytes too long/],
  [{ 0: 20240801, 1: 7, 2: 1 }, 2, /truncated: 2 bytes/],
])("a file with header %j and %i more bytes is refused", async (header, more, message) => {
  const bytes = new Uint8Array(1024 + more);
  bytes.set(makeHeader(header));
  const failure = expect(openTokenFile(await openSource(bytes))).rejects;
  await failure.toThrow(InputError);
  await failure.toThrow(message);
});
