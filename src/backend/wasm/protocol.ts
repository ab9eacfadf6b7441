/**
 * How the calling thread and the workers talk: a ring of commands and some control words, in memory that all share.
 *
 * The caller writes a command into the ring and raises PUBLISHED. Every worker runs its slice of every command, in
 * order; the last one through with a command raises FINISHED, which lets all go on to the next. Both words count
 * commands, modulo 2^32. Whoever waits looks for some tens of microseconds and then sleeps.
 */

/** Commands that fit into the ring: a power of two. One place is kept for a fence. */
export const CAPACITY = 1024;
/** A command in the ring: its opcode and up to 15 arguments, all f64, which holds every i32, address and f32. */
export const SLOT = 16;

/** Control words, as indices of an Int32Array; each in cache lines of its own. */
const APART = 32;
/** How many commands the caller has put into the ring. */
export const PUBLISHED = 0 * APART;
/** How many commands all workers have run. */
export const FINISHED = 1 * APART;
/** How many workers are through with the command under way. */
export const ARRIVED = 2 * APART;
/** The number of the last fence passed: what the caller awaits. */
export const FENCED = 3 * APART;
/** 0; 1 while a worker writes down what went wrong; 2 when it has, and everyone skips what is left. */
export const FAILED = 4 * APART;
/** The length of the failure's message in UTF-16 code units, one word each, which follow. */
export const MESSAGE = 5 * APART;
const MESSAGE_LENGTH = 1000;
const CONTROL_WORDS = MESSAGE + 1 + MESSAGE_LENGTH;

/** Beside a word that is waited for: how many sleep on it. */
const SLEEPERS = APART / 2;

const RING_BYTE = Math.ceil((CONTROL_WORDS * 4) / 64) * 64;
export const SHARED_BYTES = RING_BYTE + CAPACITY * SLOT * 8;

export interface Shared {
  readonly control: Int32Array;
  readonly ring: Float64Array;
}

export function sharedViews(buffer: SharedArrayBuffer): Shared {
  return { control: new Int32Array(buffer, 0, CONTROL_WORDS), ring: new Float64Array(buffer, RING_BYTE) };
}

/** Where command number `count` stands in the ring. */
export function slotOf(count: number): number {
  return (count & (CAPACITY - 1)) * SLOT;
}

/** How often a worker looks before it sleeps: about 5 and 50 microseconds. */
const LEAST_LOOKS = 1_000;
const MOST_LOOKS = 10_000;

/**
 * Waits for one control word to change: looks for a while, then sleeps. Looking is many times quicker while each worker
 * has a core to itself, and much slower when they share one, since it keeps the others from running. So a worker looks
 * longer after it has looked with success, and less long after it had to sleep. But once in a while it is patient in
 * any case: workers that wake each other all the time would never find out that they need not sleep.
 */
export class Waiter {
  private readonly control: Int32Array;
  private readonly word: number;
  private looks = MOST_LOOKS;
  private waits = 0;

  constructor(control: Int32Array, word: number) {
    this.control = control;
    this.word = word;
  }

  /** Returns once the word is no longer `value`. Blocks: never in the calling thread. */
  waitWhile(value: number): void {
    const { control, word } = this;
    this.waits = (this.waits + 1) % 32;
    const looks = this.waits === 0 ? MOST_LOOKS : this.looks;
    for (let i = 0; i < looks; i++) {
      if (Atomics.load(control, word) === value) continue;
      this.looks = Math.min(2 * this.looks, MOST_LOOKS);
      return;
    }
    this.looks = Math.max(this.looks >> 1, LEAST_LOOKS);
    Atomics.add(control, word + SLEEPERS, 1);
    while (Atomics.load(control, word) === value) Atomics.wait(control, word, value);
    Atomics.sub(control, word + SLEEPERS, 1);
  }
}

/** Sets a word and wakes who sleeps on it. Who is about to sleep has counted itself first, or sees the new value. */
export function announce(control: Int32Array, word: number, value: number): void {
  Atomics.store(control, word, value);
  if (Atomics.load(control, word + SLEEPERS) > 0) Atomics.notify(control, word);
}

/** Writes down what went wrong. Only the first failure counts. */
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
