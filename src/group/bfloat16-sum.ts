/**
 * The sum of numbers of all members of a group, of which half the bytes travel: each member rounds its own to bfloat16 (to nearest,
 * ties to even) and sends every other one its part of them; that one adds them up in float32, in rank order, and sends the
 * sum to all, rounded again. So all have the same bits, and the result deviates from the exact sum of N numbers g by at most
 * 2^-8 (sum |g| + |sum g|) and the rounding of N - 1 additions in float32.
 */
import { roundToBfloat16, widenBfloat16 } from "../backend/bfloat16.ts";
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
  const most = Math.ceil(Math.min(PIECE, data.length) / group.size);
  const sum = { total: new Float32Array(most), values: new Float32Array(most) };
  const slots = [new Slot(group.size, most), new Slot(group.size, most)];
  const send = (start: number) => slots[(start / PIECE) % 2].send(group, data.subarray(start, start + PIECE));
  let next = data.length > 0 ? send(0) : undefined;
  for (let start = PIECE; next; start += PIECE) {
    const current: Sent = next;
    next = start < data.length ? send(start) : undefined;
    await current.arrived;
    await finish(group, current, sum);
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

/** Memory of one piece after the other: fresh memory would have to be mapped each time. */
class Slot {
  readonly #halves: Uint16Array;
  readonly #received: Uint16Array;

  constructor(size: number, each: number) {
    [this.#halves, this.#received] = [new Uint16Array(each * size), new Uint16Array(each * size)];
  }

  send(group: Exchange, data: Float32Array): Sent {
    const each = Math.ceil(data.length / group.size);
    const [halves, received] = [this.#halves, this.#received].map((all) => all.subarray(0, each * group.size));
    roundToBfloat16(data, halves);
    halves.fill(0, data.length);
    const arrived = group.allToAll(bytesOf(halves), bytesOf(received));
    arrived.catch(() => {}); // thrown where it is awaited
    return { data, each, halves, received, arrived };
  }
}

interface Sum {
  readonly total: Float32Array;
  readonly values: Float32Array;
}

async function finish(group: Exchange, { data, each, halves, received }: Sent, { total, values }: Sum): Promise<void> {
  widenBfloat16(received.subarray(0, each), total);
  for (let rank = 1; rank < group.size; rank++) {
    widenBfloat16(received.subarray(rank * each, (rank + 1) * each), values);
    for (let i = 0; i < each; i++) total[i] += values[i];
  }
  const own = received.subarray(0, each);
  roundToBfloat16(total.subarray(0, each), own);
  await group.allGather(bytesOf(own), bytesOf(halves));
  widenBfloat16(halves.subarray(0, data.length), data);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint16Array) => new Uint8Array(buffer, byteOffset, byteLength);
