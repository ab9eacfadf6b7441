import { headerBytes } from "../src/format/header.ts";
import type { GPT2Config } from "../src/model/config.ts";
import { parametersOf } from "../src/model/parameters.ts";

/**
 * An optimizer state of one process in the files that `processes` of llm.c's with -z 1 write: as gpt2_update and save_state of
 * train_gpt2.cu have it, each layer of each tensor in equal parts, and all else in every file.
 */
export function shardsOf(state: Uint8Array, config: GPT2Config, processes: number): Buffer[] {
  const master = Buffer.from(state).readInt32LE(16);
  const files = Array.from({ length: processes }, (_, rank) => {
    const header = Buffer.from(state.slice(0, headerBytes));
    header.writeInt32LE(processes, 8);
    header.writeInt32LE(rank, 12);
    return [header];
  });
  let at = headerBytes;
  for (let set = 0; set < 2 + master; set++)
    for (const { size, count } of parametersOf(config))
      for (let layer = 0; layer < count; layer++)
        for (const file of files) {
          const bytes = (4 * size) / count / processes;
          file.push(Buffer.from(state.slice(at, at + bytes)));
          at += bytes;
        }
  return files.map((file) => Buffer.concat([...file, Buffer.from(state.slice(at))]));
}
