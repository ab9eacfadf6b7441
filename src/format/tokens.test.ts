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
  await expect(openTokenFile(await openSource(bytes))).rejects.toThrow(/read it with --headerless/);
  const odd = await openSource(bytes.slice(1));
  await expect(openTokenFile(odd, { headerless: true })).rejects.toThrow(/has 1199 bytes, expected a multiple of 4/);
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
