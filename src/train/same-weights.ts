import { platform } from "#platform";
import type { GPT2 } from "../api/gpt2.ts";
import { LlmError } from "../errors.ts";
import type { Group } from "../group/group.ts";

/** Elements that are hashed at a time. */
const PIECE = 1 << 20;

/** LlmError when the members of a group, which make the same updates, have come to hold different weights. */
export async function requireSameWeights(model: GPT2, group: Group, step: number): Promise<void> {
  if (group.size === 1) return;
  const hashes = await group.gather(await hashOfWeights(model));
  const others = hashes.flatMap((hash, rank) => (hash === hashes[0] ? [] : [rank]));
  if (others.length === 0) return;
  throw new LlmError(
    `After ${step} updates the weights of ${others.length === 1 ? "rank" : "ranks"} ${others.join(", ")} are not those of ` +
      "rank 0, so this step is not saved. Faulty memory, another processor or another version of Node may be the reason: " +
      "resume from the last checkpoint with --resume (-y), without the machine in question.",
  );
}

async function hashOfWeights({ backend, parameters: { weights } }: GPT2): Promise<string> {
  const hash = await platform.sha256();
  for (const { name, size } of weights.parameters)
    for (let start = 0; start < size; start += PIECE) {
      const values = await weights.read(backend, name, start, Math.min(PIECE, size - start));
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  return hash.digest();
}
