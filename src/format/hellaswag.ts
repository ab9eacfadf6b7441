/**
 * llm.c's HellaSwag, `hellaswag_val.bin` (dev/data/data_common.py's `write_evalfile`): what its header tells.
 *
 * [0] 20240522, [1] version 1, [2] number of examples, [3] longest example in bytes. Then the examples, in uint16.
 */
import type { ByteSource } from "../platform/platform.ts";
import { fieldError, headerBytes, readHeaderOf } from "./header.ts";

export interface HellaSwagHeader {
  readonly examples: number;
  readonly longestExampleBytes: number;
}

/** Start marker, bytes, index, label, completions, context length, and four completion lengths. */
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
