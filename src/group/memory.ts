import { type Backend, type Tensor, view } from "../backend/backend.ts";

/** Elements of the pieces in which tensors pass through memory that is not the backend's. */
const PIECE = 1 << 22;

/**
 * Calls `change`, which a group does together, on the elements of each tensor in turn: on the backend's own memory where it can
 * be had, else on a copy that is written back, in pieces that begin at element `start`.
 */
export async function eachMemory(
  be: Backend,
  tensors: readonly Tensor[],
  change: (data: Float32Array, index: number, start: number) => Promise<void>,
): Promise<void> {
  for (const [index, tensor] of tensors.entries()) {
    const own = tensor.dtype === "f32" ? await be.hostMemory?.(tensor) : undefined;
    if (own) await change(own, index, 0);
    else
      for (let start = 0; start < tensor.size; start += PIECE) {
        const piece = view(tensor, start, [Math.min(PIECE, tensor.size - start)]);
        const data = await be.read(piece);
        await change(data, index, start);
        await be.write(piece, data);
      }
  }
}
