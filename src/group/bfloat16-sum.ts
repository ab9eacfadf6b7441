/**
 * The sum of numbers of all members of a group, of which half the bytes travel: each member rounds its own to bfloat16 (to nearest,
 * ties to even) and sends every other one its part of them; that one adds them up in float32, in rank order, and sends the
 * sum to all, rounded again. So all have the same bits, and the result deviates from the exact sum of N numbers g by at most
 * 2^-8 (sum |g| + |sum g|) and the rounding of N - 1 additions in float32.
 */
import { fromBfloat16, toBfloat16 } from "../backend/bfloat16.ts";
import type { Rank } from "./group.ts";

/** What the members need of each other. Bytes of all parts are as many. */
export interface Exchange extends Rank {
  /** Part r of `parts`, of as many as there are members, goes to member r; its part for this one becomes part r of `received`. */
  allToAll(parts: Uint8Array, received: Uint8Array): Promise<void>;
  /** Fills `whole` with the `part` of every member, in rank order. */
  allGather(part: Uint8Array, whole: Uint8Array): Promise<void>;
}

/** Elements that are exchanged at once: 8 MB. */
const PIECE = 1 << 22;

/** Replaces `data`, as long in all members, by its sum over them, rounded. */
export async function sumInBfloat16(group: Exchange, data: Float32Array): Promise<void> {
  for (let start = 0; start < data.length; start += PIECE) await sumPiece(group, data.subarray(start, start + PIECE));
}

async function sumPiece(group: Exchange, data: Float32Array): Promise<void> {
  const { size } = group;
  const each = Math.ceil(data.length / size);
  const halves = new Uint16Array(each * size);
  halves.set(toBfloat16(data));
  const received = new Uint16Array(each * size);
  await group.allToAll(bytesOf(halves), bytesOf(received));
  const total = fromBfloat16(received.subarray(0, each));
  for (let rank = 1; rank < size; rank++) {
    const values = fromBfloat16(received.subarray(rank * each, (rank + 1) * each));
    for (let i = 0; i < each; i++) total[i] += values[i];
  }
  await group.allGather(bytesOf(toBfloat16(total)), bytesOf(halves));
  data.set(fromBfloat16(halves.subarray(0, data.length)));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint16Array) => new Uint8Array(buffer, byteOffset, byteLength);
