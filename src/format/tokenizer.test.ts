import { expect, test } from "vitest";
import { MemorySink } from "../../test/memory-sink.ts";
import { InputError, UsageError } from "../errors.ts";
import { openSource } from "../platform/node-files.ts";
import { headerBytes, makeHeader } from "./header.ts";
import { readVocabulary, writeVocabulary } from "./tokenizer.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const file = (fields: Record<number, number>, body: number[]) => {
  const whole = new Uint8Array(headerBytes + body.length);
  whole.set(makeHeader({ 0: 20240328, ...fields }));
  whole.set(body, headerBytes);
  return openSource(whole);
};

test("a vocabulary comes back", async () => {
  const tokens = [bytes("a"), bytes(" the"), new Uint8Array(255).fill(7)];
  const sink = new MemorySink();
  await writeVocabulary(sink, tokens, 2);
  expect(await readVocabulary(await sink.source())).toEqual({ tokens, endOfText: 2 });
});

test("version 1 ends with the end-of-text token", async () => {
  const source = await file({ 1: 1, 2: 2 }, [1, 97, 1, 98]);
  expect(await readVocabulary(source)).toEqual({ tokens: [bytes("a"), bytes("b")], endOfText: 1 });
});

test("tokens that the format cannot hold are not written", async () => {
  for (const token of [new Uint8Array(0), new Uint8Array(256)])
    await expect(writeVocabulary(new MemorySink(), [token], undefined)).rejects.toThrow(UsageError);
});

test.each([
  [{ 0: 1, 1: 2, 2: 1 }, [1, 97], /\[0\] \(magic, byte 0\) is 1/],
  [{ 1: 3, 2: 1 }, [1, 97], /\[1\] \(version, byte 4\) is 3/],
  [{ 1: 2, 2: 0 }, [1, 97], /\[2\] \(number of tokens, byte 8\) is 0, expected 1 to the 1 /],
  [{ 1: 2, 2: 2147483647 }, [1, 97], /\[2\] \(number of tokens, byte 8\) is 2147483647/],
  [{ 1: 2, 2: 1, 3: 1 }, [1, 97], /\[3\] \(end-of-text token, byte 12\) is 1, expected a token from 0 to 0/],
  [{ 1: 2, 2: 2, 3: 0 }, [1, 97, 0, 0], /token 1 of 2 at byte 1026 has length 0/],
  [{ 1: 2, 2: 2, 3: 0 }, [1, 97, 9, 98], /token 1 of 2 at byte 1026 has length 9, expected 1 to 1/],
  [{ 1: 2, 2: 2, 3: 0 }, [3, 97, 98, 99], /token 1 of 2 at byte 1028 has length none/],
  [{ 1: 2, 2: 1, 3: 0 }, [1, 97, 98], /has 1027 bytes, expected 1026/],
])("a file with %j and %j is refused", async (fields, body, message) => {
  const failure = expect(readVocabulary(await file(fields, body))).rejects;
  await failure.toThrow(InputError);
  await failure.toThrow(message);
});
