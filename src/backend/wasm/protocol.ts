/**
 * Protocol between the calling thread and the workers: a ring of commands and control words, in shared memory.
 *
 * The caller writes a command into the ring and increments PUBLISHED. Every worker runs its slice of every command, in
 * order; the last one to finish a command increments FINISHED, the barrier before the next. Both words count commands,
 * modulo 2^32. A waiting worker spins for some tens of microseconds, then parks.
 */

/** Capacity of the ring in commands, a power of two. One slot is reserved for a fence. */
export const CAPACITY = 1024;
/** f64 elements per command: the opcode and up to 15 arguments. f64 holds every i32, address and f32. */
const SLOT = 16;

/** Distance of control words in an Int32Array: each has cache lines of its own. */
const APART = 32;
/** Commands that the caller has written. */
export const PUBLISHED = 0 * APART;
/** Commands that all workers have run. */
export const FINISHED = 1 * APART;
/** Workers that have finished the current command. */
export const ARRIVED = 2 * APART;
/** Number of the last fence passed, which the caller awaits. */
export const FENCED = 3 * APART;
/** Failure state: 0 none; 1 a worker is writing the message; 2 written, and all skip the remaining commands. */
export const FAILED = 4 * APART;
/** Length of the failure message in UTF-16 code units, which follow, one a word. */
const MESSAGE = 5 * APART;
const MESSAGE_LENGTH = 1000;
const CONTROL_WORDS = MESSAGE + 1 + MESSAGE_LENGTH;

/** Offset from a control word to the number of workers parked on it. */
const PARKED = APART / 2;

const RING_BYTE = Math.ceil((CONTROL_WORDS * 4) / 64) * 64;
export const SHARED_BYTES = RING_BYTE + CAPACITY * SLOT * 8;

export interface Shared {
  readonly control: Int32Array;
  readonly ring: Float64Array;
}

export function sharedViews(buffer: SharedArrayBuffer): Shared {
  return { control: new Int32Array(buffer, 0, CONTROL_WORDS), ring: new Float64Array(buffer, RING_BYTE) };
}

/** Index of command number `count` in the ring. */
export function slotOf(count: number): number {
  return (count & (CAPACITY - 1)) * SLOT;
}

/** Bounds of the spins before a worker parks: about 5 and 50 microseconds. */
const MIN_SPINS = 1_000;
const MAX_SPINS = 10_000;

/**
 * Waits for one control word to change: spins, then parks. Spinning has many times less latency while each worker has a
 * core of its own, and much more when they share one, since it keeps the others from running. So the spin count doubles
 * after a successful spin and halves after parking. Every 32nd wait spins for the maximum regardless: workers that only
 * ever wake each other would otherwise never learn that spinning is enough.
 */
export class Waiter {
  private readonly control: Int32Array;
  private readonly word: number;
  private spins = MAX_SPINS;
  private waits = 0;

  constructor(control: Int32Array, word: number) {
    this.control = control;
    this.word = word;
  }

  /** Returns once the word is no longer `value`. Blocks: never for the calling thread. */
  waitWhile(value: number): void {
    const { control, word } = this;
    this.waits = (this.waits + 1) % 32;
    const spins = this.waits === 0 ? MAX_SPINS : this.spins;
    for (let i = 0; i < spins; i++) {
      if (Atomics.load(control, word) === value) continue;
      this.spins = Math.min(2 * this.spins, MAX_SPINS);
      return;
    }
    this.spins = Math.max(this.spins >> 1, MIN_SPINS);
    Atomics.add(control, word + PARKED, 1);
    while (Atomics.load(control, word) === value) Atomics.wait(control, word, value);
    Atomics.sub(control, word + PARKED, 1);
  }
}

/** Sets a word and wakes the workers parked on it. A worker about to park has counted itself before, or sees the new value. */
export function announce(control: Int32Array, word: number, value: number): void {
  Atomics.store(control, word, value);
  if (Atomics.load(control, word + PARKED) > 0) Atomics.notify(control, word);
}

/** Stores a failure for the caller; only the first counts. */
export function recordFailure(control: Int32Array, message: string): void {
  if (Atomics.compareExchange(control, FAILED, 0, 1) !== 0) return;
  const length = Math.min(message.length, MESSAGE_LENGTH);
  control[MESSAGE] = length;
  for (let i = 0; i < length; i++) control[MESSAGE + 1 + i] = message.charCodeAt(i);
  Atomics.store(control, FAILED, 2);
}

export function failureMessage(control: Int32Array): string | null {
  if (Atomics.load(control, FAILED) !== 2) return null;
  return String.fromCharCode(...control.subarray(MESSAGE + 1, MESSAGE + 1 + control[MESSAGE]));
}
