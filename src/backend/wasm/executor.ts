/** Executors of commands: workers (pool.ts), or the calling thread where memory cannot be shared. */
import { BackendError, messageOf } from "../../errors.ts";
import { type KernelExports, kernelNames, runCommand } from "./kernels.ts";

export interface Executor {
  readonly threads: number;
  /**
   * Runs a command after all before it, in so many parts, or on every worker (EVERY_WORKER). The next `after` rejects with
   * its failure.
   */
  enqueue(opcode: number, parts: number, ...args: number[]): void;
  /** Runs `step` on the calling thread, after all commands before it and before any after it. */
  after<T>(step: () => T): Promise<T>;
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
  private readonly kernels: KernelExports;
  private error: BackendError | null = null;

  constructor(kernels: KernelExports) {
    this.kernels = kernels;
  }

  enqueue(opcode: number, _parts: number, ...args: number[]): void {
    if (this.error) return;
    try {
      runCommand(this.kernels, opcode, 0, 1, args, 0);
    } catch (error) {
      this.error = kernelFailure(`${kernelNames[opcode]}: ${messageOf(error)}`);
    }
  }

  async after<T>(step: () => T): Promise<T> {
    if (this.error) throw this.error;
    return step();
  }

  async dispose(): Promise<void> {}
}
