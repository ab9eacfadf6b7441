/** A busy neighbour: another program that keeps one core wholly busy, as a thread of its own that only counts. */
import { Worker } from "node:worker_threads";
import type { Comparison, Runner } from "./comparison.ts";

const source = `
const { workerData: state } = require("node:worker_threads");
for (;;) {
  Atomics.wait(state, 0, 0);
  while (Atomics.load(state, 0) === 1) for (let i = 0; i < 1e5; i++);
}`;

export class Neighbour {
  readonly #state = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker = new Worker(source, { eval: true, workerData: this.#state });

  constructor() {
    this.#worker.unref();
  }

  /** The same comparison beside it: llm.ts and its peers alike. */
  beside({ name, runners }: Comparison): Comparison {
    return { name: `${name}, beside a busy core`, runners: runners.map((runner) => this.#disturbed(runner)) };
  }

  async dispose(): Promise<void> {
    await this.#worker.terminate();
  }

  /** Its warm-up stays undisturbed. */
  #disturbed(runner: Runner): Runner {
    const measure = async () => {
      this.#set(1);
      try {
        return await runner.measure();
      } finally {
        this.#set(0);
      }
    };
    return { ...runner, measure };
  }

  #set(busy: 0 | 1): void {
    Atomics.store(this.#state, 0, busy);
    Atomics.notify(this.#state, 0);
  }
}
