/**
 * Worker loop of the wasm backend: claims and computes parts of the commands in the ring, in their order.
 *
 * Independent of the kind of worker: platform/ has the entry files.
 */
import { messageOf } from "../../errors.ts";
import { AWAIT_BANKS, FENCE, instantiate, type Machine, nameOfCommand, runCommand, type Sgemm } from "./kernels.ts";
import type { Bank } from "./outside.ts";
import {
  ARGS,
  announce,
  claimsOf,
  countWorker,
  EVERY_WORKER,
  FAILED,
  FENCED,
  FINISHED,
  PUBLISHED,
  positionOf,
  recordFailure,
  runParts,
  sharedViews,
  slotOf,
  Waiter,
} from "./protocol.ts";

/** The first message to a worker. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly shared: SharedArrayBuffer;
  readonly thread: number;
  readonly threads: number;
  /** File name or path of the BLAS to load. */
  readonly blas?: string;
}

/** Each message after that: more memory outside of the WebAssembly memory. */
export interface NewBank {
  readonly bank: Bank;
}

export type WorkerReport =
  | { readonly type: "ready" }
  /** A fence was passed; only for a caller without Atomics.waitAsync. */
  | { readonly type: "fence" }
  | { readonly type: "failed"; readonly message: string };

/**
 * A worker, as what takes its messages. It computes within the first one, and returns only to receive another. `openSgemm`
 * loads a BLAS for this thread, where the platform can.
 */
export function kernelWorker(
  report: (message: WorkerReport) => void,
  openSgemm?: (library: string, memory: WebAssembly.Memory) => Promise<Sgemm>,
): (message: WorkerStart | NewBank) => Promise<void> {
  const banks: Bank[] = [];
  let resume = () => {};
  return async (message) => {
    if ("bank" in message) banks.push(message.bank);
    else {
      const { module, memory, blas } = message;
      try {
        const sgemm = blas === undefined ? undefined : await openSgemm?.(blas, memory);
        resume = commandLoop({ kernels: instantiate(module, memory, sgemm), memory, banks }, message, report);
        report({ type: "ready" });
      } catch (error) {
        report({ type: "failed", message: messageOf(error) });
        return;
      }
    }
    resume();
  };
}

/** A function that runs commands until one waits for a message, and resumes with that command when it is called again. */
function commandLoop(machine: Machine, start: WorkerStart, report: (message: WorkerReport) => void): () => void {
  const { thread, threads } = start;
  const { control, ring } = sharedViews(start.shared);
  const published = new Waiter(control, PUBLISHED);
  const finished = new Waiter(control, FINISHED);

  /** One part of a command, or this worker's run of one for every worker. */
  const run = (slot: number, part: number, parts: number) => {
    const opcode = ring[slot];
    if (opcode === FENCE) return;
    if (Atomics.load(control, FAILED) !== 0) return;
    try {
      runCommand(machine, opcode, part, parts, ring, slot + ARGS);
    } catch (error) {
      recordFailure(control, `${nameOfCommand(opcode)}: ${messageOf(error)}`);
    }
  };
  /** Computes what this worker can claim of a command. True for the one worker that completes it. */
  const compute = (command: number): boolean => {
    const slot = slotOf(command);
    const parts = ring[slot + 1];
    if (parts !== EVERY_WORKER) return runParts(control, claimsOf(command), parts, (part) => run(slot, part, parts));
    run(slot, thread, threads);
    return countWorker(control, claimsOf(command), threads);
  };

  let command = 0;
  return () => {
    for (;;) {
      Atomics.store(control, positionOf(thread), command);
      published.waitWhile(command);
      const slot = slotOf(command);
      if (ring[slot] === AWAIT_BANKS && machine.banks.length < ring[slot + ARGS]) return;
      if (compute(command)) {
        if (ring[slot] === FENCE) passFence(control, ring[slot + ARGS], ring[slot + ARGS + 1] === 1, report);
        command = (command + 1) | 0;
        announce(control, FINISHED, command);
      } else {
        command = finished.waitWhile(command);
      }
    }
  };
}

/** All commands before the fence are complete: each begins when the one before it is. */
function passFence(control: Int32Array, fence: number, byMessage: boolean, report: (m: WorkerReport) => void): void {
  Atomics.store(control, FENCED, fence);
  if (byMessage) report({ type: "fence" });
  else Atomics.notify(control, FENCED);
}
