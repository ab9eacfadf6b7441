import type { GPT2 } from "../api/gpt2.ts";
import type { Batch } from "../data/loader.ts";
import { NotFiniteError, UsageError } from "../errors.ts";
import { continueTokens } from "../generate/generate.ts";
import { backward, forward, gradientNorm, update } from "../model/gpt2.ts";
import { allocTensorSet, type TrainingTensors } from "../model/parameters.ts";
import type { DecodeWorkspace, TrainWorkspace } from "../model/workspace.ts";
import { checkTrainerOptions } from "./checks.ts";
import { evaluate, writeBatch } from "./evaluate.ts";
import type { SampleEvent, TrainEvent } from "./events.ts";
import type { BatchSource, RunOptions, TrainerOptions } from "./options.ts";
import { planRun, RunMemory, type RunPlan, type SamplePlan } from "./plan.ts";
import { learningRateAt } from "./schedule.ts";

const defaults: Required<TrainerOptions> = {
  learningRate: 1e-4,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  gradClip: 0,
  schedule: "constant",
  warmupSteps: 0,
  finalFraction: 0,
};

/**
 * Trains a model with AdamW, as llm.c's training loop does.
 *
 *     const trainer = new Trainer(model, { learningRate: 1e-3 });
 *     for await (const event of trainer.run(loader, { steps: 100 })) console.log(event);
 *
 * `run` may be called again: AdamW's moments and the count of updates stay with the trainer until `dispose`.
 */
export class Trainer {
  readonly model: GPT2;
  readonly options: Required<TrainerOptions>;
  #step = 0;
  #running = false;
  #tensors: TrainingTensors | undefined;

  /** UsageError when an option is out of its range. Nothing is allocated before `run`. */
  constructor(model: GPT2, options: TrainerOptions = {}) {
    this.model = model;
    this.options = { ...defaults, ...options };
    checkTrainerOptions(this.options);
  }

  /** Updates made so far. */
  get step(): number {
    return this.#step;
  }

  /**
   * Makes `steps` updates and reports what happens, in llm.c's order: before each update the validation, then the
   * sample, where it is time for them, and once more after the last update. Work goes on only while events are asked
   * for. Leaving the loop early is safe; the activations' memory is given back either way. The batch after the one
   * under way is fetched ahead, and dropped when the run ends early.
   *
   * Throws UsageError and MemoryError before anything is allocated, InputError for a token outside the vocabulary,
   * and NotFiniteError when a loss or gradient is no number: before the update, so the weights stay as they were.
   */
  async *run(loader: BatchSource, options: RunOptions): AsyncGenerator<TrainEvent, void, undefined> {
    if (this.#running) throw new UsageError("This trainer is already running. Wait for that run to end.");
    const plan = planRun(this.model, loader, options);
    this.#running = true;
    try {
      const tensors = this.#allocate();
      const memory = new RunMemory(this.model, plan);
      try {
        yield* this.#events(plan, memory, tensors);
      } finally {
        await memory.free();
      }
    } finally {
      this.#running = false;
    }
  }

  /** Gives the memory of gradients and moments back, and forgets the moments. The model stays. */
  async dispose(): Promise<void> {
    if (this.#running) throw new UsageError("This trainer is still running. Wait for the run to end.");
    const tensors = this.#tensors;
    this.#tensors = undefined;
    this.#step = 0;
    if (tensors) for (const { wte } of [tensors.grads, tensors.m, tensors.v]) await this.model.backend.free(wte);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #allocate(): TrainingTensors {
    const allocate = () => allocTensorSet(this.model.backend, this.model.config);
    this.#tensors ??= { grads: allocate(), m: allocate(), v: allocate() };
    return this.#tensors;
  }

  async *#events(
    { loader, steps, validation, sample, checkpoint, signal }: RunPlan,
    memory: RunMemory,
    tensors: TrainingTensors,
  ): AsyncGenerator<TrainEvent, void, undefined> {
    const { backend, parameters: p } = this.model;
    const start = performance.now();
    const first = this.#step;
    const last = first + steps;
    let fetched: Batch | undefined;
    let loss: number | undefined;
    let valLoss: number | undefined;
    for (;;) {
      const step = this.#step;
      const isDue = (every: number) => every > 0 && step > first && step % every === 0;

      if (validation && memory.evaluate && (step === first || step === last || isDue(validation.every))) {
        const batches = step === last ? validation.finalBatches : validation.batches;
        const mean = await evaluate(backend, p, memory.evaluate, validation.loader, batches, signal);
        if (mean !== undefined) {
          valLoss = mean;
          yield { type: "val", step, loss: mean };
        }
      }
      if (sample && memory.decode && isDue(sample.every) && !signal?.aborted)
        yield await this.#sample(sample, memory.decode, signal);
      if (step === last || signal?.aborted) break;
      if (checkpoint && isDue(checkpoint.every)) yield { type: "checkpoint", step, path: await checkpoint.save(step) };

      const began = performance.now();
      await writeBatch(backend, memory.train, fetched ?? (await loader.next()), p.config.V);
      const fetchNext = step + 1 < last ? () => loader.next() : undefined;
      const lr = learningRateAt(step, last, this.options.learningRate, this.options);
      const update = await this.#update(memory.train, tensors, lr, fetchNext);
      ({ loss, fetched } = update);
      const ms = performance.now() - began;
      const tokensPerSecond = (loader.B * loader.T * 1000) / ms;
      yield { type: "step", step, loss, lr, norm: update.norm, ms, tokensPerSecond };
    }
    const step = this.#step;
    if (checkpoint && step > first) yield { type: "checkpoint", step, path: await checkpoint.save(step) };
    yield { type: "done", step, steps: last, loss, valLoss, ms: performance.now() - start, interrupted: step < last };
  }

  /** One update on the batch in `ws`, while `fetchNext` gets the batch after it. */
  async #update(
    ws: TrainWorkspace,
    tensors: TrainingTensors,
    learningRate: number,
    fetchNext?: () => Promise<Batch>,
  ): Promise<{ loss: number; norm: number; fetched?: Batch }> {
    const { backend, parameters: p } = this.model;
    const { gradClip } = this.options;
    forward(backend, p, ws);
    backward(backend, p, tensors.grads, ws);
    gradientNorm(backend, tensors.grads, ws);
    const [[loss, squaredNorm], fetched] = await Promise.all([backend.read(ws.stats), fetchNext?.()]);
    const norm = Math.sqrt(squaredNorm);
    this.#requireFinite("loss", loss);
    this.#requireFinite("norm of the gradients", norm);
    // As torch's clip_grad_norm_: its 1e-6 guards against a norm of 0.
    const gradScale = gradClip > 0 ? Math.min(1, gradClip / (norm + 1e-6)) : 1;
    update(backend, p, tensors, { ...this.options, learningRate, gradScale, step: this.#step + 1 });
    await backend.sync();
    this.#step++;
    return { loss, norm, fetched };
  }

  #requireFinite(what: string, value: number): void {
    if (Number.isFinite(value)) return;
    throw new NotFiniteError(
      `The ${what} in step ${this.#step} is ${value}. The update was not made: the weights are those after ` +
        `${this.#step} updates. Train with a lower learning rate, with warm-up, or with gradient clipping (1.0 is usual).`,
    );
  }

  async #sample(sample: SamplePlan, ws: DecodeWorkspace, signal?: AbortSignal): Promise<SampleEvent> {
    const { backend, parameters, tokenizer } = this.model;
    const { prompt, newTokens: maxTokens, sampler } = sample;
    const written: number[] = [];
    for await (const token of continueTokens(backend, parameters, ws, prompt, { maxTokens, sampler, signal }))
      written.push(token);
    const text = tokenizer?.decode(written) ?? "";
    return { type: "sample", step: this.#step, tokens: [...prompt, ...written], text };
  }
}
