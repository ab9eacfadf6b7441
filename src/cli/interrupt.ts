/** Exit codes by convention: 128 and the signal's number. */
const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const signals = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

/**
 * Ctrl-C (SIGINT), SIGTERM, and the end of the terminal (SIGHUP). They end the process at once or, after `finishFirst`,
 * abort `signal` the first time and end the process the second time.
 */
export class Interrupt {
  readonly #controller = new AbortController();
  readonly #cleanUp: () => void;
  #onFirst: (() => void) | undefined;
  #exitCode: number | undefined;

  /** `cleanUp` runs before the process ends at once. */
  constructor(cleanUp: () => void = () => {}) {
    this.#cleanUp = cleanUp;
    for (const signal of signals) process.on(signal, this.#handle);
  }

  /** Aborted when the run should end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 129, 130 or 143 once a signal came. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** From now on the first signal only aborts `signal`, and calls `onFirst` to report it. */
  finishFirst(onFirst: () => void): void {
    this.#onFirst = onFirst;
  }

  dispose(): void {
    for (const signal of signals) process.off(signal, this.#handle);
  }

  readonly #handle = (signal: keyof typeof exitCodes): void => {
    const again = this.#exitCode !== undefined;
    this.#exitCode = exitCodes[signal];
    if (again || !this.#onFirst) {
      this.#cleanUp();
      process.exit(this.#exitCode);
    }
    this.#controller.abort();
    this.#onFirst();
  };
}
