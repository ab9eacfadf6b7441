import { Worker } from "node:worker_threads";
import type { EncodedBatch, TextBatch } from "../../data/prepare-items.ts";
import { BackendError } from "../../errors.ts";

/** A worker's answer: the documents of a batch, each behind an end-of-text token. */
export interface EncodedTexts {
  readonly tokens: Uint16Array;
  readonly lengths: readonly number[];
}

/** The extension of this file: .ts in the sources, .js in the build. */
const entry = new URL(`./tokenizer-worker-entry${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** V8 would let each thread fill 16 MB and more with garbage before it collects. */
const resourceLimits = { maxYoungGenerationSizeMb: 4 };

/** A thread that encodes texts, in the order in which it gets them. */
class TokenizerWorker {
  readonly #worker = new Worker(entry, { execArgv: [], resourceLimits });
  readonly #waiting: { resolve: (texts: EncodedTexts) => void; reject: (error: Error) => void }[] = [];

  constructor() {
    this.#worker.on("message", (texts: EncodedTexts) => this.#waiting.shift()?.resolve(texts));
    const fail = (reason: unknown) => {
      const error = new BackendError(`A thread that encodes text ended: ${reason}. Try fewer --threads.`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    };
    this.#worker.on("error", fail);
    this.#worker.on("exit", fail);
  }

  encode(texts: readonly string[]): Promise<EncodedTexts> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(texts);
    });
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Encodes batches with GPT-2's tokenizer on several threads, and gives them in their order. */
export async function* encodeInWorkers(
  batches: AsyncIterable<TextBatch>,
  threads: number,
): AsyncGenerator<EncodedBatch> {
  const workers = Array.from({ length: threads }, () => new TokenizerWorker());
  const pending: Promise<EncodedBatch>[] = [];
  let turn = 0;
  try {
    for await (const { places, texts } of batches) {
      const encoded = workers[turn++ % threads].encode(texts).then((found) => ({ places, ...found }));
      // A rejection is handled when its turn comes; until then it must not count as unhandled.
      encoded.catch(() => {});
      pending.push(encoded);
      // Each thread has one batch at work and one queued.
      if (pending.length >= 2 * threads) yield await first(pending);
    }
    while (pending.length > 0) yield await first(pending);
  } finally {
    for (const worker of workers) await worker.terminate();
  }
}

async function first<T>(pending: Promise<T>[]): Promise<T> {
  const [head] = pending.splice(0, 1);
  return head;
}
