import type { Backend } from "../backend/backend.ts";
import { writeBatch } from "../data/batch.ts";
import { InputError, NotFiniteError } from "../errors.ts";
import { ByteLoss, bitsPerByte } from "../eval/bits-per-byte.ts";
import type { Group } from "../group/group.ts";
import { forward, loss } from "../model/gpt2.ts";
import { describeNotFinite, firstNotFinite } from "../model/not-finite.ts";
import type { Parameters } from "../model/tensor-set.ts";
import type { LossWorkspace } from "../model/workspace.ts";
import type { BatchSource } from "./options.ts";

export interface Evaluation {
  /** Mean, in nats a token. */
  readonly loss: number;
  /** Undefined where the model's tokenizer is unknown, or no target stands for text. */
  readonly bitsPerByte?: number;
}

export interface EvaluationData {
  readonly loader: BatchSource;
  readonly batches: number;
  /** The bytes of text that each token stands for, by id, the same in all members; without them bits per byte are not counted. */
  readonly textLengths?: ArrayLike<number>;
}

/**
 * Loss over the tokens that count in the first `batches` batches of `loader`, of which each member of the group takes its
 * rows; undefined when the `signal` of any member ended it early.
 * NotFiniteError, in all members, when the loss is NaN or infinite; InputError when no token counts.
 */
export async function evaluate(
  be: Backend,
  p: Parameters,
  ws: LossWorkspace,
  { loader, batches, textLengths }: EvaluationData,
  group: Group,
  signal?: AbortSignal,
): Promise<Evaluation | undefined> {
  await loader.reset();
  const text = textLengths && new ByteLoss(textLengths);
  let sum = 0;
  let counted = 0;
  let interrupted = false;
  // A loss that is NaN or infinite ends the loop, and shows in the mean of all members, so that they fail together.
  for (let i = 0; i < batches && Number.isFinite(sum); i++) {
    if (signal?.aborted) {
      interrupted = true;
      break;
    }
    const batch = await loader.next();
    counted += await writeBatch(be, ws, batch, p.config.V);
    forward(be, p, ws);
    loss(be, p, ws);
    const [[batchLoss], losses] = await Promise.all([be.read(ws.stats), text && be.read(ws.head.losses)]);
    sum += batchLoss;
    if (losses) text?.add(losses, batch.targets);
  }
  const { nats = 0, bytes = 0 } = text ?? {};
  const [meanOfAll, interruptions, share, meanNats, meanBytes] = await group.mean([
    sum / batches,
    Number(interrupted),
    counted / batches,
    nats,
    bytes,
  ]);
  if (interruptions > 0) return undefined;
  if (share === 0)
    throw new InputError(
      `The loss mask of the validation data leaves no token to learn in its first ${batches} batches. Validate on more batches, ` +
        "or on other data.",
    );
  const mean = meanOfAll / share;
  if (Number.isFinite(mean)) return { loss: mean, bitsPerByte: bitsPerByte(meanNats, meanBytes) };
  const tensor = await firstNotFinite(be, p.adapters?.set ?? p.weights);
  throw new NotFiniteError(
    `The validation ${describeNotFinite(mean, 0, tensor)}. The model's weights are damaged: train again from a ` +
      "good checkpoint, with a lower learning rate or with gradient clipping.",
    tensor,
  );
}
