import { GPT2 } from "../../../src/api/gpt2.ts";
import type { Backend } from "../../../src/backend/backend.ts";
import { createBackend } from "../../../src/backend/registry.ts";
import { InputError } from "../../../src/errors.ts";
import { textsOf } from "../../../src/inspect/inspect.ts";
import { type Asks, asksOf } from "../../../src/learn/asks.ts";
import { makeConfig } from "../../../src/model/config.ts";
import { backward, forward, gradientNorm, loss, update } from "../../../src/model/gpt2.ts";
import { parameterCount } from "../../../src/model/parameters.ts";
import { withTensors } from "../../../src/model/tensor-scope.ts";
import { TensorSet } from "../../../src/model/tensor-set.ts";
import { allocTrainWorkspace } from "../../../src/model/workspace.ts";
import { charTokenizerOf } from "../../../src/tokenizer/char.ts";
import type { DebugBatch } from "../../../src/verify/debug-state.ts";
import { type Trace, type TraceUpdate, traceStep } from "../../../src/verify/trace.ts";
import { openModel } from "../opening.ts";
import {
  type LessonModel,
  type LessonStep,
  type LessonTensor,
  mostParameters,
  mostTokens,
  ownCharacters,
} from "./protocol.ts";

/** Settings of the traced update, and of training. */
const settings: TraceUpdate = {
  learningRate: 3e-3,
  beta1: 0.9,
  beta2: 0.99,
  eps: 1e-8,
  weightDecay: 0.1,
  gradClip: 1,
};

interface Loaded {
  readonly model: GPT2;
  readonly name: string | undefined;
  updates: number | undefined;
}

/** The lesson's model and its last step. Calls must not overlap. */
export class LessonModels {
  #backend: Backend | undefined;
  #loaded: Loaded | undefined;
  #batch: DebugBatch | undefined;
  #values = new Map<string, Float32Array>();

  async makeOwn(): Promise<void> {
    const tokenizer = charTokenizerOf(ownCharacters);
    const config = makeConfig({ L: 2, NH: 2, C: 16, maxT: mostTokens, V: tokenizer.vocabSize });
    const model = await GPT2.create(config, { backend: await this.#reference(), tokenizer });
    await this.#replace({ model, name: undefined, updates: 0 });
  }

  async open(files: readonly File[], name: string, updates?: number): Promise<void> {
    const { model } = await openModel(files, await this.#reference());
    const count = parameterCount(model.config);
    if (count > mostParameters) {
      await model.dispose();
      throw new InputError(
        `${name} has ${count} parameters, and the lesson computes with ${mostParameters} at most, in plain loops. Train a ` +
          "smaller one, or use the small model.",
      );
    }
    await this.#replace({ model, name, updates });
  }

  async step(text: string): Promise<LessonStep> {
    const { model } = this.#require();
    const { ids, batch, cut } = this.#read(text);
    // The traced update changes the weights: of a copy.
    const copy = await model.copyTo(model.backend);
    try {
      const step = await traceStep(copy.backend, copy.parameters, batch, settings, async (trace) => {
        const tensors = await this.#keep(trace);
        return { update: trace.update, tensors };
      });
      this.#batch = batch;
      const [norm] = this.#valueOf("norm");
      const { gradClip } = settings;
      const texts = textsOf(model, [ids]);
      return {
        ...step,
        model: this.#summary(),
        texts: Array.from(ids, (id) => texts.get(id) ?? ""),
        cut,
        losses: this.#valueOf("losses"),
        loss: this.#valueOf("loss")[0],
        norm,
        gradScale: norm > gradClip ? gradClip / norm : 1,
      };
    } finally {
      await copy.dispose();
    }
  }

  async tensor(name: string): Promise<Float32Array> {
    return this.#valueOf(name);
  }

  async asks(t: number): Promise<Asks> {
    const { model } = this.#require();
    if (!this.#batch) throw new RangeError("there is no step yet");
    return asksOf(model.backend, model.parameters, this.#batch, t);
  }

  async train(text: string, updates: number, onUpdate: (update: number, loss: number) => void): Promise<void> {
    const loaded = this.#require();
    const { backend, parameters, config } = loaded.model;
    const { batch } = this.#read(text);
    const { gradClip, ...options } = settings;
    await withTensors(
      backend,
      (at) => ({
        ws: allocTrainWorkspace(at, config, batch.B, batch.T),
        grads: new TensorSet(at, config),
        m: new TensorSet(at, config),
        v: new TensorSet(at, config),
      }),
      async ({ ws, ...training }) => {
        await backend.write(ws.tokens, batch.x);
        await backend.write(ws.head.targets, batch.y);
        for (let step = 1; step <= updates; step++) {
          forward(backend, parameters, ws);
          loss(backend, parameters, ws);
          backward(backend, parameters, training.grads, ws);
          gradientNorm(backend, training.grads, ws);
          const [mean, squared] = await backend.read(ws.stats);
          const norm = Math.sqrt(squared);
          update(backend, parameters, training, { ...options, gradScale: norm > gradClip ? gradClip / norm : 1, step });
          if (loaded.updates !== undefined) loaded.updates++;
          onUpdate(step, mean);
        }
      },
    );
  }

  #reference(): Promise<Backend> {
    return this.#backend ? Promise.resolve(this.#backend) : this.#start();
  }

  async #start(): Promise<Backend> {
    this.#backend = await createBackend("reference");
    return this.#backend;
  }

  async #replace(next: Loaded): Promise<void> {
    await this.#loaded?.model.dispose();
    this.#loaded = next;
    this.#batch = undefined;
    this.#values.clear();
  }

  #require(): Loaded {
    if (this.#loaded) return this.#loaded;
    throw new RangeError("there is no model yet");
  }

  #summary(): LessonModel {
    const { model, name, updates } = this.#require();
    const { L, NH, C } = model.config;
    return { name, L, NH, C, parameters: parameterCount(model.config), updates };
  }

  /** The text's tokens as one sequence. InputError where there are too few. */
  #read(text: string): { readonly ids: Int32Array; readonly batch: DebugBatch; readonly cut: number } {
    const { model } = this.#require();
    const given = model.requireTokenizer().encode(text);
    if (given.length < 2)
      throw new InputError("The text is too short: a step needs two tokens, one to read and one to predict.");
    const T = Math.min(given.length - 1, model.config.maxT, mostTokens);
    const ids = Int32Array.from(given.slice(0, T + 1));
    return { ids, batch: { B: 1, T, x: ids.slice(0, -1), y: ids.slice(1) }, cut: given.length - T - 1 };
  }

  /** Keeps the values of all tensors of a trace. */
  async #keep({ tensors }: Trace): Promise<LessonTensor[]> {
    this.#values.clear();
    const summaries: LessonTensor[] = [];
    for (const { read, ...tensor } of tensors) {
      const values = Float32Array.from(await read());
      this.#values.set(tensor.name, values);
      let [squares, largest] = [0, 0];
      for (const value of values) {
        squares += value ** 2;
        largest = Math.max(largest, Math.abs(value));
      }
      summaries.push({ ...tensor, norm: Math.sqrt(squares), largest });
    }
    return summaries;
  }

  #valueOf(name: string): Float32Array {
    const values = this.#values.get(name);
    if (!values) throw new RangeError(`the step has no ${name}`);
    return values;
  }
}
