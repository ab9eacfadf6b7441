/**
 * Worker loop of the wasm backend: runs this thread's slice of every command in the ring, in step with the others.
 *
 * Independent of the kind of worker: platform/ has the entry files.
 */
import { messageOf } from "../../errors.ts";
import { FENCE, instantiate, type KernelExports, kernelNames, runCommand } from "./kernels.ts";
import {
  ARRIVED,
  announce,
  FAILED,
  FENCED,
  FINISHED,
  PUBLISHED,
  recordFailure,
  sharedViews,
  slotOf,
  Waiter,
} from "./protocol.ts";

/** The only message to a worker. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly shared: SharedArrayBuffer;
  readonly thread: number;
  readonly threads: number;
}

export type WorkerReport =
  | { readonly type: "ready" }
  /** A fence was passed; only for a caller without Atomics.waitAsync. */
  | { readonly type: "fence" }
  | { readonly type: "failed"; readonly message: string };

export function runWorker(start: WorkerStart, report: (message: WorkerReport) => void): void {
  let kernels: KernelExports;
  try {
    kernels = instantiate(start.module, start.memory);
    report({ type: "ready" });
  } catch (error) {
    report({ type: "failed", message: messageOf(error) });
    return;
  }

  const { thread, threads } = start;
  const { control, ring } = sharedViews(start.shared);
  const published = new Waiter(control, PUBLISHED);
  const finished = new Waiter(control, FINISHED);
  for (let command = 0; ; command = (command + 1) | 0) {
    published.waitWhile(command);
    const slot = slotOf(command);
    const opcode = ring[slot];
    if (opcode === FENCE) {
      if (thread === 0) passFence(control, ring[slot + 1], ring[slot + 2] === 1, report);
    } else if (Atomics.load(control, FAILED) === 0) {
      try {
        runCommand(kernels, opcode, thread, threads, ring, slot + 1);
      } catch (error) {
        recordFailure(control, `${kernelNames[opcode] ?? `command ${opcode}`}: ${messageOf(error)}`);
      }
    }
    if (Atomics.add(control, ARRIVED, 1) === threads - 1) {
      Atomics.store(control, ARRIVED, 0);
      announce(control, FINISHED, (command + 1) | 0);
    } else {
      finished.waitWhile(command);
    }
  }
}

/** All commands before the fence are done, because of the barrier after each. */
function passFence(control: Int32Array, fence: number, byMessage: boolean, report: (m: WorkerReport) => void): void {
  Atomics.store(control, FENCED, fence);
  if (byMessage) report({ type: "fence" });
  else Atomics.notify(control, FENCED);
}
