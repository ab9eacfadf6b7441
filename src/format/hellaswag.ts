/**
 * llm.c's HellaSwag, `hellaswag_val.bin` (dev/data/data_common.py's `write_evalfile`).
 *
 * [0] 20240522, [1] version 1, [2] number of examples, [3] longest example in bytes. Then the examples, in uint16:
 * 65535, bytes of this example, its index, label, number of endings (4), and the context and each ending, as a number of
 * tokens and the tokens.
 */
import { InputError } from "../errors.ts";
import type { ByteSink, ByteSource } from "../platform/platform.ts";
import { fieldError, headerBytes, magic, makeHeader, readHeaderOf } from "./header.ts";
import { toUint16 } from "./numbers.ts";

export interface HellaSwagHeader {
  readonly examples: number;
  readonly longestExampleBytes: number;
}

/** A context and its candidate endings; the one at `label` is correct. Tokens are below 65535. */
export interface HellaSwagExample {
  readonly context: ArrayLike<number>;
  readonly endings: readonly ArrayLike<number>[];
  readonly label: number;
}

const startMarker = 65535;
const endingsPerExample = 4;
/** Start marker, bytes, index, label, endings, context length, and four lengths. */
const leastExampleBytes = 2 * 10;

export async function readHellaSwagHeader(source: ByteSource): Promise<HellaSwagHeader> {
  const header = await readHeaderOf(source, "hellaswag");
  const [, version, examples, longest] = header;
  if (version !== 1) throw fieldError(source, header, 1, "version", "1");
  const most = Math.floor((source.size - headerBytes) / leastExampleBytes);
  if (examples < 0 || examples > most)
    throw fieldError(source, header, 2, "number of examples", `0 to the ${most} that the file can hold`);
  if (longest < 0 || longest > 65535) throw fieldError(source, header, 3, "longest example in bytes", "0 to 65535");
  return { examples, longestExampleBytes: longest };
}

/** The first `limit` examples. InputError names the damaged example and its byte. */
export async function readHellaSwag(
  source: ByteSource,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<HellaSwagExample[]> {
  const { examples: count } = await readHellaSwagHeader(source);
  const bytes = await source.read(headerBytes, Math.floor((source.size - headerBytes) / 2) * 2);
  const stream = toUint16(bytes);
  const examples: HellaSwagExample[] = [];
  for (let start = 0; examples.length < Math.min(count, limit); start += stream[start + 1] / 2)
    examples.push(readExample(source.name, stream, start, examples.length));
  return examples;
}

function readExample(name: string, stream: Uint16Array, start: number, index: number): HellaSwagExample {
  const damaged = (what: string, found: number | undefined, expected: string) =>
    new InputError(
      `${name}: example ${index}, at byte ${headerBytes + 2 * start}: ${what} is ${found ?? "missing"}, expected ` +
        `${expected}. Copy or write the file again.`,
    );
  const [marker, bytes, number, label, endingCount] = stream.subarray(start, start + 5);
  if (marker !== startMarker) throw damaged("its marker", marker, `${startMarker}`);
  if (number !== index) throw damaged("its index", number, `${index}`);
  if (endingCount !== endingsPerExample) throw damaged("the number of its endings", endingCount, "4");
  if (label >= endingCount) throw damaged("its label", label, "0 to 3");
  const example = stream.subarray(start, start + bytes / 2);
  if (bytes % 2 !== 0 || example.length < bytes / 2) throw damaged("its length in bytes", bytes, "what the file holds");
  let at = 5;
  const [context, ...endings] = Array.from({ length: 1 + endingCount }, () => {
    const length = example[at];
    const tokens = example.subarray(at + 1, at + 1 + length);
    if (!(length > 0) || tokens.length < length) throw damaged("the number of tokens in a part", length, "1 or more");
    at += 1 + length;
    return tokens;
  });
  if (at !== example.length) throw damaged("its length in bytes", bytes, `${2 * at}`);
  return { context, endings, label };
}

/** Writes examples as llm.c does. InputError for one that its 16-bit lengths cannot hold. */
export async function writeHellaSwag(sink: ByteSink, examples: readonly HellaSwagExample[]): Promise<void> {
  if (examples.length >= startMarker)
    throw new InputError(
      `${sink.name}: llm.c's file holds at most ${startMarker - 1} examples, not ${examples.length}.`,
    );
  await sink.write(makeHeader({ 0: magic.hellaswag, 1: 1, 2: examples.length }));
  let longest = 0;
  for (const [index, { context, endings, label }] of examples.entries()) {
    const parts = [context, ...endings].flatMap((tokens) => [tokens.length, ...Array.from(tokens)]);
    const bytes = 2 * (5 + parts.length);
    if (bytes > 65535)
      throw new InputError(
        `${sink.name}: example ${index} has ${bytes} bytes, and llm.c's file at most 65535 for one.`,
      );
    longest = Math.max(longest, bytes);
    const words = Uint16Array.from([startMarker, bytes, index, label, endings.length, ...parts]);
    await sink.write(new Uint8Array(words.buffer));
  }
  await sink.rewrite(0, makeHeader({ 0: magic.hellaswag, 1: 1, 2: examples.length, 3: longest }));
}
