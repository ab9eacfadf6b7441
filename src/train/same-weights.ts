import { platform } from "#platform";
import type { GPT2 } from "../api/gpt2.ts";
import { type Backend, view } from "../backend/backend.ts";
import { LlmError } from "../errors.ts";
import type { Group } from "../group/group.ts";
import type { AdapterSet } from "../model/lora.ts";
import type { TensorSet } from "../model/tensor-set.ts";

/** Elements that are hashed at a time. */
const PIECE = 1 << 20;

type Trained = Pick<AdapterSet | TensorSet, "blocks">;

/** LlmError when the members of a group, which make the same updates, have come to hold different weights, or adapters. */
export async function requireSameWeights(
  { backend, parameters }: GPT2,
  group: Group,
  step: number,
  trained: Trained = parameters.weights,
): Promise<void> {
  if (group.size === 1) return;
  const hashes = await group.gather(await hashOf(backend, trained));
  const others = hashes.flatMap((hash, rank) => (hash === hashes[0] ? [] : [rank]));
  if (others.length === 0) return;
  throw new LlmError(
    `After ${step} updates the weights of ${others.length === 1 ? "rank" : "ranks"} ${others.join(", ")} are not those of ` +
      "rank 0, so this step is not saved. Faulty memory, another processor or another version of Node may be the reason: " +
      "resume from the last checkpoint with --resume (-y), without the machine in question.",
  );
}

async function hashOf(backend: Backend, { blocks }: Trained): Promise<string> {
  const hash = await platform.sha256();
  for (const block of blocks)
    for (let start = 0; start < block.size; start += PIECE) {
      const values = await backend.read(view(block, start, [Math.min(PIECE, block.size - start)]));
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  return hash.digest();
}
