/**
 * The sum of numbers of all members of a group, of which half the bytes travel: each member rounds its own to bfloat16 (to nearest,
 * ties to even) and sends every other one its part of them; that one adds them up in float32, in rank order, and sends the
 * sum to all, rounded again. So all have the same bits, and the result deviates from the exact sum of N numbers g by at most
 * 2^-8 (sum |g| + |sum g|) and the rounding of N - 1 additions in float32.
 */
import { fromBfloat16, roundToBfloat16, toBfloat16 } from "../backend/bfloat16.ts";
import type { Rank } from "./group.ts";

/** What the members need of each other. Bytes of all parts are as many. */
export interface Exchange extends Rank {
  /** Part r of `parts`, of as many as there are members, goes to member r; its part for this one becomes part r of `received`. */
  allToAll(parts: Uint8Array, received: Uint8Array): Promise<void>;
  /** Fills `whole` with the `part` of every member, in rank order. */
  allGather(part: Uint8Array, whole: Uint8Array): Promise<void>;
}

/** Elements that are exchanged at once: 2 MB. */
const PIECE = 1 << 20;

/** Replaces `data`, as long in all members, by its sum over them, rounded. While one piece travels, the next is rounded. */
export async function sumInBfloat16(group: Exchange, data: Float32Array): Promise<void> {
  let next = data.length > 0 ? send(group, data.subarray(0, PIECE)) : undefined;
  for (let start = PIECE; next; start += PIECE) {
    const current: Sent = next;
    next = start < data.length ? send(group, data.subarray(start, start + PIECE)) : undefined;
    await current.arrived;
    await finish(group, current);
  }
}

/** A piece on its way: of every member the part of it that this one adds up. */
interface Sent {
  readonly data: Float32Array;
  /** Elements of a part. */
  readonly each: number;
  /** The piece rounded, in equal parts. */
  readonly halves: Uint16Array;
  /** The parts of all members for this one, once they have arrived. */
  readonly received: Uint16Array;
  readonly arrived: Promise<void>;
}

function send(group: Exchange, data: Float32Array): Sent {
  const each = Math.ceil(data.length / group.size);
  const [halves, received] = [new Uint16Array(each * group.size), new Uint16Array(each * group.size)];
  roundToBfloat16(data, halves);
  const arrived = group.allToAll(bytesOf(halves), bytesOf(received));
  arrived.catch(() => {}); // thrown where it is awaited
  return { data, each, halves, received, arrived };
}

async function finish(group: Exchange, { data, each, halves, received }: Sent): Promise<void> {
  const total = fromBfloat16(received.subarray(0, each));
  for (let rank = 1; rank < group.size; rank++) {
    const values = fromBfloat16(received.subarray(rank * each, (rank + 1) * each));
    for (let i = 0; i < each; i++) total[i] += values[i];
  }
  await group.allGather(bytesOf(toBfloat16(total)), bytesOf(halves));
  data.set(fromBfloat16(halves.subarray(0, data.length)));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint16Array) => new Uint8Array(buffer, byteOffset, byteLength);
