import type { Backend } from "../backend/backend.ts";
import { NotFiniteError, type NotFiniteTensor } from "../errors.ts";

/** Elements looked through at a time, so that large tensors are not copied whole. */
const pieceSize = 1 << 20;

/** Tensors by name: a `TensorStacks`. */
interface Tensors {
  readonly parameters: readonly { readonly name: string; readonly size: number }[];
  read(be: Backend, name: string, start: number, length: number): Promise<Float32Array>;
}

/** The first tensor of a set, in its order, that holds NaN or an infinity. */
async function firstIn(be: Backend, set: Tensors, kind: NotFiniteTensor["kind"]): Promise<NotFiniteTensor | undefined> {
  for (const { name, size } of set.parameters)
    for (let start = 0; start < size; start += pieceSize) {
      const piece = await set.read(be, name, start, Math.min(pieceSize, size - start));
      const index = piece.findIndex((value) => !Number.isFinite(value));
      if (index >= 0) return { kind, name, index: start + index, value: piece[index] };
    }
  return undefined;
}

/**
 * Which tensor is not finite: the first weight, since gradients follow from weights, else the first gradient; undefined
 * when every number is one and only their squares are too large to be added up.
 */
export async function firstNotFinite(
  be: Backend,
  weights: Tensors,
  grads?: Tensors,
): Promise<NotFiniteTensor | undefined> {
  return (await firstIn(be, weights, "weight")) ?? (grads && firstIn(be, grads, "gradient"));
}

/** Describes a step whose loss or norm is NaN or infinite: "loss is NaN: the gradient of wte holds NaN …". */
export function describeNotFinite(loss: number, norm: number, tensor: NotFiniteTensor | undefined): string {
  const what = Number.isFinite(loss) ? `norm of the gradients is ${norm}` : `loss is ${loss}`;
  if (!tensor) return `${what}, though every number behind it is finite: they are too large`;
  const { kind, name, index, value } = tensor;
  const where = kind === "weight" ? `weight ${name}` : `gradient of ${name}`;
  return `${what}, and the first tensor that is not finite is the ${where}: it holds ${value} at element ${index}`;
}

export function notFiniteError(step: number, problem: string, tensor?: NotFiniteTensor, inARow = 1): NotFiniteError {
  const advice = tensor?.kind === "weight" ? "Go back to a good checkpoint, and train" : "Train";
  const times = inARow > 1 ? ` It was so in ${inARow} steps in a row.` : "";
  return new NotFiniteError(
    `In step ${step} the ${problem}.${times} The update was not made: the weights are those after ${step} updates. ` +
      `${advice} with a lower learning rate, with warm-up, or with gradient clipping (1.0 is usual).`,
    tensor,
  );
}
