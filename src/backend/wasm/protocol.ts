/**
 * Protocol between the calling thread and the workers: a ring of commands and control words, in shared memory.
 *
 * The caller writes a command into the ring and increments PUBLISHED. A command is computed in parts, equal shares of its
 * output. A worker claims the next part from the command's counter, computes it and claims another; the worker that
 * completes the last part increments FINISHED, and the next command begins. Both words count commands, modulo 2^32. So a
 * command waits for a worker only while that worker computes a part: one that is slow takes fewer parts, one that the
 * system has not scheduled takes none, and goes to the current command when it runs again. A waiting worker spins for some
 * tens of microseconds, then parks.
 */

import { MAX_THREADS } from "../entry.ts";

/** Capacity of the ring in commands, a power of two. One slot is reserved for a fence. */
export const CAPACITY = 1024;
/** f64 elements per command: opcode, parts, up to 13 arguments. f64 holds every i32, address and f32. */
const SLOT = 16;
/** Arguments begin here in a slot. */
export const ARGS = 2;

/** Largest number of parts of a command. */
export const MAX_PARTS = 16 * MAX_THREADS;
/** In place of the number of parts: every worker runs the command once. */
export const EVERY_WORKER = 0;

/** Distance of control words in an Int32Array: each has cache lines of its own. */
const APART = 32;
/** Commands that the caller has written. */
export const PUBLISHED = 0 * APART;
/** Commands that are complete. */
export const FINISHED = 1 * APART;
/** Number of the last fence passed, which the caller awaits. */
export const FENCED = 2 * APART;
/** Failure state: 0 none; 1 a worker is writing the message; 2 written, and all skip the remaining commands. */
export const FAILED = 3 * APART;
/** Number of the command that each worker is at: it reads none before that. */
const POSITIONS = 4 * APART;
/** For each slot of the ring the parts claimed, in the low half, and those completed, in the high half. */
const CLAIMS = POSITIONS + MAX_THREADS * APART;
/** A claim more than there are parts is made by each worker at most: all fit into 16 bits. */
const CLAIMED = 1;
const COMPLETED = 1 << 16;
/** Length of the failure message in UTF-16 code units, which follow, one a word. */
const MESSAGE = CLAIMS + CAPACITY * (APART / 2);
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

/** Index of the word that counts the parts of command number `count`. */
export function claimsOf(count: number): number {
  return CLAIMS + (count & (CAPACITY - 1)) * (APART / 2);
}

/** Index of the word with the position of a worker. */
export function positionOf(thread: number): number {
  return POSITIONS + thread * APART;
}

/**
 * Claims parts and runs `compute` on each until all are claimed. True for the one worker whose part completed the command.
 * Looks before it claims: a late worker would only take the counter's cache line from the others.
 */
export function runParts(control: Int32Array, word: number, parts: number, compute: (part: number) => void): boolean {
  if (claimedOf(Atomics.load(control, word)) >= parts) return false;
  let counts = Atomics.add(control, word, CLAIMED);
  while (claimedOf(counts) < parts) {
    compute(claimedOf(counts));
    counts = Atomics.add(control, word, COMPLETED + CLAIMED);
    if ((counts >>> 16) + 1 === parts) return true;
  }
  return false;
}

/** Counts a worker that has run a command for every worker. True for the last one. */
export function countWorker(control: Int32Array, word: number, threads: number): boolean {
  return Atomics.add(control, word, CLAIMED) === threads - 1;
}

function claimedOf(counts: number): number {
  return counts & (COMPLETED - 1);
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

  /** The word once it is no longer `value`. Blocks: never for the calling thread. */
  waitWhile(value: number): number {
    const { control, word } = this;
    this.waits = (this.waits + 1) % 32;
    const spins = this.waits === 0 ? MAX_SPINS : this.spins;
    for (let i = 0; i < spins; i++) {
      const now = Atomics.load(control, word);
      if (now === value) continue;
      this.spins = Math.min(2 * this.spins, MAX_SPINS);
      return now;
    }
    this.spins = Math.max(this.spins >> 1, MIN_SPINS);
    Atomics.add(control, word + PARKED, 1);
    while (Atomics.load(control, word) === value) Atomics.wait(control, word, value);
    Atomics.sub(control, word + PARKED, 1);
    return Atomics.load(control, word);
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
