/**
 * Rotary positions (RoPE; Su et al., 2021): queries and keys are turned by angles that grow with the position, so that their
 * dot products, the attention scores, depend on how far apart two positions are, not on where they are.
 *
 * A head's hs channels are hs / 2 points of the plane, point i with coordinates i and i + hs / 2 (as in Llama). At position
 * p it turns by
 *
 *   angle = p / 10000^(2 i / hs)        (x, y) -> (x cos(angle) - y sin(angle), x sin(angle) + y cos(angle))
 *
 * The first point turns by one radian a position, the last hardly at all. qkv (B,T,3C) as for attention, whose queries and
 * keys are turned in place; values stay. hs must be even. `past` is the number of positions already in the key-value cache.
 *
 * ```js
 * const qkv = hostTensor(Float32Array.of(1, 0, 0, 1, 5, 5), [1, 1, 6]); // C = hs = 2: one point each
 * rotaryForward(qkv, 1, 1); // position 1: by one radian
 * qkv.data // [0.5403022766113281, 0.8414709568023682, -0.8414709568023682, 0.5403022766113281, 5, 5]
 * ```
 */
import type { Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

export const rotaryForward: Operations<HostTensor>["rotaryForward"] = (qkv, NH, past) => turn(qkv, NH, past, 1);

/** A rotation's backward is the rotation back: queries' and keys' gradients turn by the negative angle. */
export const rotaryBackward: Operations<HostTensor>["rotaryBackward"] = (dqkv, NH) => turn(dqkv, NH, 0, -1);

function turn({ data, shape }: HostTensor, NH: number, past: number, direction: 1 | -1): void {
  const [B, T, width] = shape;
  const C = width / 3;
  const hs = C / NH;
  for (let t = 0; t < T; t++)
    for (let i = 0; i < hs / 2; i++) {
      const angle = (direction * (past + t)) / 10000 ** ((2 * i) / hs);
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      for (let b = 0; b < B; b++)
        // The heads of the queries, then those of the keys.
        for (let h = 0; h < 2 * NH; h++) {
          const at = (b * T + t) * width + h * hs + i;
          const [x, y] = [data[at], data[at + hs / 2]];
          data[at] = x * cos - y * sin;
          data[at + hs / 2] = x * sin + y * cos;
        }
    }
}
