/**
 * One training step with everything in it: each activation, gradient and updated parameter by name, in the order of
 * computation. Whoever writes GPT-2 in another language compares tensor by tensor (`llm-ts verify --trace`).
 *
 * The names are those of model/gpt2.ts, "h.0." before those of the first layer. `d.X` is the gradient of the mean loss with
 * respect to X; `m.X`, `v.X` and `new.X` are AdamW's moments of the parameter X and its new value.
 */
import { type AdamWOptions, type Backend, type DeviceBuffer, type Tensor, view } from "../backend/backend.ts";
import { sizeOf } from "../backend/shape.ts";
import { callsOf } from "../backend/work.ts";
import type { GPT2Config } from "../model/config.ts";
import { backward, forward, gradientNorm, logits, loss, update } from "../model/gpt2.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { type Parameters, TensorSet } from "../model/tensor-set.ts";
import { type Allocator, allocTrainWorkspace, row } from "../model/workspace.ts";
import type { DebugBatch } from "./debug-state.ts";
import { type How, observe } from "./observe.ts";
import type { TraceTensor } from "./trace-tensor.ts";

export interface TracedTensor extends TraceTensor {
  read(): Promise<Float32Array | Int32Array>;
}

/** Settings of the update: AdamW's, and the largest norm of the gradients, 0 for no clipping. */
export type TraceUpdate = Omit<AdamWOptions, "gradScale" | "step"> & { readonly gradClip: number };

/** A trace whose values are in a backend's memory. */
export interface Trace {
  readonly config: GPT2Config;
  readonly B: number;
  readonly T: number;
  readonly update: TraceUpdate;
  /** In the order of computation. */
  readonly tensors: readonly TracedTensor[];
}

/**
 * Makes one training step of a model on the reference backend, whose sums are in double precision, and gives its trace to
 * `use`. The model's weights are the new ones afterwards. `lossRow`: gradients are those of this row's loss, below B*T, in place
 * of the mean loss; there is no d.logits then.
 */
export async function traceStep<R>(
  be: Backend,
  p: Parameters,
  batch: DebugBatch,
  settings: TraceUpdate,
  use: (trace: Trace) => Promise<R>,
  lossRow?: number,
): Promise<R> {
  const { B, T, x, y } = batch;
  const memory = new TensorScope(be);
  try {
    const step = new TracedStep(be, memory, p, B, T, lossRow);
    await be.write(step.ws.tokens, x);
    await be.write(step.ws.head.targets, y);
    step.run();
    const [, squaredNorm] = await be.read(step.ws.stats);
    step.update(settings, Math.sqrt(squaredNorm));
    return await use({ config: p.config, B, T, update: settings, tensors: step.tensors });
  } finally {
    await memory.free();
  }
}

/** The tensors of a trace, without computing them. */
export function traceTensors(config: GPT2Config, B: number, T: number): readonly TraceTensor[] {
  let tensors: readonly TraceTensor[] = [];
  callsOf((be) => {
    const step = new TracedStep(be, be, { config, weights: new TensorSet(be, config) }, B, T);
    step.run();
    step.update({ learningRate: 0, beta1: 0, beta2: 0, eps: 1, weightDecay: 0, gradClip: 0 }, 0);
    tensors = step.tensors;
  });
  return tensors;
}

const isLogits = (name: string) => name === "logits" || name === "d.logits";
const optional = /\.(mean|rstd|att)$|^d\.wte\.head$/;

class TracedStep {
  readonly tensors: TracedTensor[] = [];
  readonly ws;
  readonly #be: Backend;
  readonly #at: Allocator;
  readonly #p: Parameters;
  readonly #grads: TensorSet;
  readonly #logits: Tensor;
  readonly #names = new Map<DeviceBuffer, Map<number, string>>();
  readonly #lossRow: number | undefined;
  #zeros: Tensor | undefined;

  constructor(be: Backend, at: Allocator, p: Parameters, B: number, T: number, lossRow?: number) {
    this.#be = be;
    this.#lossRow = lossRow;
    this.#at = at;
    this.#p = p;
    this.ws = allocTrainWorkspace(at, p.config, B, T, { recompute: false });
    this.#grads = new TensorSet(at, p.config, "f32", undefined, "gradients");
    this.#logits = at.alloc([B * T, p.config.Vp]);
  }

  /** Forward, loss and backward. */
  run(): void {
    const { ws } = this;
    this.#given("tokens", ws.tokens);
    this.#given("targets", ws.head.targets);
    this.#addSet("", this.#p.weights, (name) => ({ name }));
    this.#nameSet("d.", this.#grads);
    const be = observe(this.#lossRow === undefined ? this.#be : withOneLoss(this.#be, this.#lossRow), this);
    forward(be, this.#p, ws);
    logits(be, this.#p, this.#logits, ws.lnf.out);
    loss(be, this.#p, ws);
    backward(be, this.#p, this.#grads, ws);
    gradientNorm(be, this.#grads, ws);
  }

  /** Clipping and AdamW, given the norm of all gradients. */
  update({ gradClip, ...options }: TraceUpdate, norm: number): void {
    const read = async () => Float32Array.of(norm);
    this.tensors.push({ name: "norm", shape: [1], operation: "norm", optional: true, read });
    const [m, v] = [new TensorSet(this.#at, this.#p.config), new TensorSet(this.#at, this.#p.config)];
    const gradScale = gradClip > 0 && norm > gradClip ? gradClip / norm : 1;
    update(this.#be, this.#p, { grads: this.#grads, m, v }, { ...options, gradScale, step: 1 });
    for (const [prefix, set, output] of [
      ["m.", m, "m"],
      ["v.", v, "v"],
      ["new.", this.#p.weights, "param"],
    ] as const)
      this.#addSet(prefix, set, (param) => ({
        name: `${prefix}${param}`,
        operation: "adamw",
        output,
        inputs: { param, grad: `d.${param}` },
      }));
  }

  /** The present name of what a tensor holds; undefined for zeros. */
  nameOf({ buffer, offset }: Tensor): string | undefined {
    return this.#names.get(buffer)?.get(offset);
  }

  name(tensor: Tensor, name: string | undefined): void {
    const names = this.#names.get(tensor.buffer) ?? new Map<number, string>();
    this.#names.set(tensor.buffer, names);
    if (name === undefined) names.delete(tensor.offset);
    else names.set(tensor.offset, name);
  }

  add(name: string, tensor: Tensor, how: How): void {
    const shape = this.#activationShape(name, tensor);
    this.#add({ name, shape, ...how }, tensor);
  }

  addParameter(name: string, tensor: Tensor, how: How): void {
    this.#add({ name, shape: this.#parameterShape(name, tensor), ...how }, tensor);
  }

  /** Once: the loss is computed twice. */
  #add(entry: TraceTensor, tensor: Tensor): void {
    this.name(tensor, entry.name);
    if (this.#lossRow !== undefined && entry.name === "d.logits") return;
    if (!this.tensors.some((known) => known.name === entry.name)) this.#push(entry, tensor);
  }

  #given(name: string, tensor: Tensor): void {
    this.name(tensor, name);
    const read = async () => Int32Array.from(new Int32Array((await this.#be.read(tensor)).buffer));
    this.tensors.push({ name, shape: tensor.shape, integer: true, read });
  }

  #nameSet(prefix: string, set: TensorSet): void {
    for (const [name, tensor] of namedTensors(set)) this.name(tensor, `${prefix}${name}`);
  }

  /** Adds each tensor of a set under the entry that `entry` makes of its parameter's name. */
  #addSet(prefix: string, set: TensorSet, entry: (parameter: string) => Omit<TraceTensor, "shape">): void {
    this.#nameSet(prefix, set);
    for (const [parameter, tensor] of namedTensors(set)) {
      const { name, ...how } = entry(parameter);
      this.#push({ name, shape: this.#parameterShape(name, tensor), ...how }, tensor);
    }
  }

  #push(entry: TraceTensor, tensor: Tensor): void {
    const copy = this.#copy(tensor);
    const read = async () => this.#withoutPadding(entry, await this.#be.read(copy));
    this.tensors.push({ ...entry, ...(optional.test(entry.name) && { optional: true }), read });
  }

  /** Rows, N = B*T, are given as (B,T). */
  #activationShape(name: string, tensor: Tensor): readonly number[] {
    const { B, T } = this.ws;
    const { NH, V } = this.#p.config;
    if (name === "loss") return [1];
    if (isLogits(name)) return [B, T, V];
    if (name.endsWith(".att")) return [B, NH, T, T];
    const columns = tensor.size / (B * T);
    return columns === 1 ? [B, T] : [B, T, columns];
  }

  #parameterShape(name: string, { shape }: Tensor): readonly number[] {
    const { V, C } = this.#p.config;
    return /(^|\.)wte(\.head)?$/.test(name) ? [V, C] : shape;
  }

  /** The vocabulary's padding is no part of a trace: rows of parameters, columns of logits. */
  #withoutPadding({ name, shape }: TraceTensor, data: Float32Array): Float32Array {
    if (!isLogits(name)) return data.subarray(0, sizeOf(shape));
    const { V, Vp } = this.#p.config;
    const cut = new Float32Array(sizeOf(shape));
    for (let from = 0, to = 0; to < cut.length; from += Vp, to += V) cut.set(data.subarray(from, from + V), to);
    return cut;
  }

  /** A copy of what a tensor holds at this point of the queue: most are overwritten later. */
  #copy(tensor: Tensor): Tensor {
    if (!this.#zeros || this.#zeros.size < tensor.size) {
      this.#zeros = this.#at.alloc([tensor.size]);
      this.#be.fill(this.#zeros, 0);
    }
    const copy = this.#at.alloc([tensor.size]);
    const flat = view(tensor, 0, [tensor.size]);
    this.#be.residualForward(copy, flat, view(this.#zeros, 0, [tensor.size]));
    return copy;
  }
}

/** A backend whose gradients begin with the loss of one row alone. */
function withOneLoss(be: Backend, n: number): Backend {
  const headBackward: Backend["headBackward"] = (head, dinp, dwte, inp, wte) => {
    const one = (tensor: Tensor) => view(tensor, n, [1]);
    const rowOf = (tensor: Tensor) => row(tensor, n, tensor.shape[1]);
    be.fill(dinp, 0);
    be.headBackward(
      { ...head, losses: one(head.losses), targets: one(head.targets) },
      rowOf(dinp),
      dwte,
      rowOf(inp),
      wte,
      1,
    );
  };
  return new Proxy(be, {
    get: (target, key) => (key === "headBackward" ? headBackward : bound(target, Reflect.get(target, key, target))),
  });
}

function bound(target: Backend, member: unknown): unknown {
  return typeof member === "function" ? member.bind(target) : member;
}

/** Every tensor of a set, a layer's as "h.0.qkvw". */
function* namedTensors(set: TensorSet): Generator<[name: string, tensor: Tensor]> {
  for (const { name, perLayer } of set.parameters)
    for (const [l, tensor] of set.tensors(name).entries()) yield [perLayer ? `h.${l}.${name}` : name, tensor];
}
