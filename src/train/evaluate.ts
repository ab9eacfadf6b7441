import type { Backend } from "../backend/backend.ts";
import { writeBatch } from "../data/batch.ts";
import { InputError, NotFiniteError } from "../errors.ts";
import type { Group } from "../group/group.ts";
import { forward, loss } from "../model/gpt2.ts";
import { describeNotFinite, firstNotFinite } from "../model/not-finite.ts";
import type { Parameters } from "../model/tensor-set.ts";
import type { LossWorkspace } from "../model/workspace.ts";
import type { BatchSource } from "./options.ts";

/**
 * Mean loss over the tokens that count in the first `batches` batches of `loader`, of which each member of the group takes its
 * rows, in nats a token;
 * undefined when the `signal` of any member ended it early.
 * NotFiniteError, in all members, when the loss is NaN or infinite; InputError when no token counts.
 */
export async function evaluate(
  be: Backend,
  p: Parameters,
  ws: LossWorkspace,
  loader: BatchSource,
  batches: number,
  group: Group,
  signal?: AbortSignal,
): Promise<number | undefined> {
  await loader.reset();
  let sum = 0;
  let counted = 0;
  let interrupted = false;
  // A loss that is NaN or infinite ends the loop, and shows in the mean of all members, so that they fail together.
  for (let i = 0; i < batches && Number.isFinite(sum); i++) {
    if (signal?.aborted) {
      interrupted = true;
      break;
    }
    counted += await writeBatch(be, ws, await loader.next(), p.config.V);
    forward(be, p, ws);
    loss(be, p, ws);
    const [batchLoss] = await be.read(ws.stats);
    sum += batchLoss;
  }
  const [meanOfAll, interruptions, share] = await group.mean([sum / batches, Number(interrupted), counted / batches]);
  if (interruptions > 0) return undefined;
  if (share === 0)
    throw new InputError(
      `The loss mask of the validation data leaves no token to learn in its first ${batches} batches. Validate on more of it (-m), ` +
        "or prepare the data again (llm-ts prepare --chat).",
    );
  const mean = meanOfAll / share;
  if (Number.isFinite(mean)) return mean;
  const tensor = await firstNotFinite(be, p.weights);
  throw new NotFiniteError(
    `The validation ${describeNotFinite(mean, 0, tensor)}. The model's weights are damaged: train again from a ` +
      "good checkpoint, with a lower learning rate or with gradient clipping.",
    tensor,
  );
}
