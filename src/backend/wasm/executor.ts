/** Executors of commands: workers (pool.ts), or the calling thread where memory cannot be shared. */
import { BackendError, messageOf } from "../../errors.ts";
import { type KernelExports, type Machine, nameOfCommand, runCommand } from "./kernels.ts";
import type { Bank } from "./outside.ts";

export interface Executor {
  readonly threads: number;
  /**
   * Runs a command after all before it, in so many parts, or on every worker (EVERY_WORKER). The next `after` rejects with
   * its failure.
   */
  enqueue(opcode: number, parts: number, ...args: number[]): void;
  /** Runs `step` on the calling thread, after all commands before it and before any after it. */
  after<T>(step: () => T): Promise<T>;
  /** Makes the next bank known to all threads, for the commands that follow. */
  addBank(bank: Bank): void;
  dispose(): Promise<void>;
}

/** Error of a trapped kernel. The model checks what kernels are given, so a trap is a bug. */
export function kernelFailure(message: string): BackendError {
  return new BackendError(
    `A kernel failed: ${message}. What this backend holds is lost; create a new one. This is a fault in ` +
      "llm.ts: please report it with the command that led here.",
  );
}

/** Runs each command immediately, on the calling thread. */
export class DirectExecutor implements Executor {
  readonly threads = 1;
  private readonly machine: Machine;
  private error: BackendError | null = null;

  constructor(kernels: KernelExports, memory: WebAssembly.Memory) {
    this.machine = { kernels, memory, banks: [] };
  }

  enqueue(opcode: number, _parts: number, ...args: number[]): void {
    if (this.error) return;
    try {
      runCommand(this.machine, opcode, 0, 1, args, 0);
    } catch (error) {
      this.error = kernelFailure(`${nameOfCommand(opcode)}: ${messageOf(error)}`);
    }
  }

  async after<T>(step: () => T): Promise<T> {
    if (this.error) throw this.error;
    return step();
  }

  addBank(bank: Bank): void {
    this.machine.banks.push(bank);
  }

  async dispose(): Promise<void> {}
}
