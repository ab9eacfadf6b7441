import { BackendError, UsageError } from "../../errors.ts";
import {
  type AdamWOptions,
  type AttentionShape,
  type Backend,
  type DeviceBuffer,
  type DType,
  type KVCache,
  sizeOf,
  type Tensor,
} from "../backend.ts";
import { aligned } from "./allocator.ts";
import type { Executor } from "./executor.ts";
import { type KernelExports, type KernelName, opcodeOf, SET_SCRATCH } from "./kernels.ts";
import { type KernelMemory, MEMORY_LIMIT } from "./memory.ts";

class WasmBuffer implements DeviceBuffer {
  readonly owner: WasmBackend;
  readonly address: number;
  readonly bytes: number;
  freed = false;

  constructor(owner: WasmBackend, address: number, bytes: number) {
    this.owner = owner;
    this.address = address;
    this.bytes = bytes;
  }
}

export interface WasmBackendParts {
  readonly memory: KernelMemory;
  readonly executor: Executor;
  /** An instance in the calling thread, for questions only. */
  readonly kernels: KernelExports;
}

/** The head works on as many rows at a time as give this many logits (64 MiB). */
const HEAD_LOGITS = 2 ** 24;

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);

/** Translates operations into commands: tensors into addresses, options into the numbers that the kernels take. */
export class WasmBackend implements Backend {
  readonly name = "wasm";
  readonly threads: number;
  readonly fma: boolean;
  readonly description: string;
  readonly memoryLimit: number;
  /** Null once disposed of, so that the memory is free even if someone still holds this backend. */
  private parts: WasmBackendParts | null;
  /** Where the workers' scratch memory begins, and for how long a row of attention it is enough. */
  private scratch: { readonly address: number; readonly T: number } | null = null;
  /** Room for the partial sums of `mean` and `sumSquares`: address and number of f64. */
  private partials: { readonly address: number; readonly count: number } | null = null;

  constructor(description: string, parts: WasmBackendParts) {
    this.description = description;
    this.parts = parts;
    this.threads = parts.executor.threads;
    this.fma = parts.kernels.isFused(1 + 2 ** -12) === 1;
    this.ensureScratch(0);
    this.memoryLimit = MEMORY_LIMIT - parts.memory.used;
  }

  alloc(shape: readonly number[], dtype: DType = "f32"): Tensor {
    const size = sizeOf(shape);
    const { address, zero } = this.live.memory.take(size * 4);
    const tensor = { buffer: new WasmBuffer(this, address, size * 4), dtype, offset: 0, shape, size };
    if (!zero) this.fill(tensor, 0);
    return tensor;
  }

  async free(tensor: Tensor): Promise<void> {
    const { memory, executor } = this.live;
    const buffer = this.bufferOf(tensor);
    buffer.freed = true;
    await executor.after(() => memory.release(buffer.address));
  }

  async write(tensor: Tensor, data: Float32Array | Int32Array): Promise<void> {
    const { memory, executor } = this.live;
    if (data.length > tensor.size)
      throw new UsageError(`write: ${data.length} elements do not fit a tensor of ${tensor.size}.`);
    const address = this.at(tensor);
    await executor.after(() => {
      if (tensor.dtype === "i32") memory.i32(address, data.length).set(data);
      else memory.f32(address, data.length).set(data);
    });
  }

  /** The copy is made in one go: read a very large tensor in pieces, if the event loop must not wait for it. */
  async read(tensor: Tensor): Promise<Float32Array> {
    const { memory, executor } = this.live;
    const address = this.at(tensor);
    return executor.after(() => memory.f32(address, tensor.size).slice());
  }

  async sync(): Promise<void> {
    await this.live.executor.after(() => {});
  }

  async dispose(): Promise<void> {
    const executor = this.parts?.executor;
    this.parts = null;
    await executor?.dispose();
  }

  fill(out: Tensor, value: number): void {
    floats[0] = value;
    this.run("fill", this.at(out), out.size, out.dtype === "i32" ? value : bits[0]);
  }

  embeddingForward(
    out: Tensor,
    tokens: Tensor,
    wte: Tensor,
    wpe: Tensor,
    B: number,
    T: number,
    C: number,
    past: number,
  ): void {
    this.run("embeddingForward", this.at(out), this.at(tokens), this.at(wte), this.at(wpe), B, T, C, past);
  }

  embeddingBackward(dwte: Tensor, dwpe: Tensor, dout: Tensor, tokens: Tensor, B: number, T: number, C: number): void {
    this.run("embeddingBackward", this.at(dwte), this.at(dwpe), this.at(dout), this.at(tokens), B, T, C);
  }

  layernormForward(
    out: Tensor,
    mean: Tensor,
    rstd: Tensor,
    inp: Tensor,
    weight: Tensor,
    bias: Tensor,
    N: number,
    C: number,
    epsilon: number,
  ): void {
    const addresses = [out, mean, rstd, inp, weight, bias].map((t) => this.at(t));
    this.run("layernormForward", ...addresses, N, C, epsilon);
  }

  layernormBackward(
    dinp: Tensor,
    dweight: Tensor,
    dbias: Tensor,
    dout: Tensor,
    inp: Tensor,
    weight: Tensor,
    mean: Tensor,
    rstd: Tensor,
    N: number,
    C: number,
    accumulate: boolean,
  ): void {
    const addresses = [dinp, dweight, dbias, dout, inp, weight, mean, rstd].map((t) => this.at(t));
    this.run("layernormBackward", ...addresses, N, C, Number(accumulate));
  }

  matmulForward(out: Tensor, inp: Tensor, weight: Tensor, bias: Tensor | null, N: number, C: number, OC: number): void {
    this.run("matmulForward", this.at(out), this.at(inp), this.at(weight), this.at(bias), N, C, OC);
  }

  matmulBackwardInput(dinp: Tensor, dout: Tensor, weight: Tensor, N: number, C: number, OC: number): void {
    this.run("matmulBackwardInput", this.at(dinp), this.at(dout), this.at(weight), N, C, OC);
  }

  matmulBackwardWeight(
    dweight: Tensor,
    dbias: Tensor | null,
    dout: Tensor,
    inp: Tensor,
    N: number,
    C: number,
    OC: number,
    accumulate: boolean,
  ): void {
    const addresses = [dweight, dbias, dout, inp].map((t) => this.at(t));
    this.run("matmulBackwardWeight", ...addresses, N, C, OC, Number(accumulate));
  }

  /** The logarithm of each row's sum of exponentials: from it the backward recomputes the probabilities. */
  attentionSavedSize({ B, T, NH }: AttentionShape): number {
    return B * NH * T;
  }

  attentionForward(
    out: Tensor,
    saved: Tensor | null,
    qkv: Tensor,
    { B, T, C, NH }: AttentionShape,
    cache?: KVCache,
    past = 0,
  ): void {
    const S = cache?.keys.shape[1] ?? 0;
    this.ensureScratch(Math.max(T, S));
    const addresses = [out, saved, qkv, cache?.keys ?? null, cache?.values ?? null].map((t) => this.at(t));
    this.run("attentionForward", ...addresses, B, T, C, NH, past, S);
  }

  attentionBackward(
    dqkv: Tensor,
    dout: Tensor,
    qkv: Tensor,
    out: Tensor,
    saved: Tensor,
    { B, T, C, NH }: AttentionShape,
  ): void {
    this.ensureScratch(T);
    const addresses = [dqkv, dout, qkv, out, saved].map((t) => this.at(t));
    this.run("attentionBackward", ...addresses, B, T, C, NH);
  }

  geluForward(out: Tensor, inp: Tensor): void {
    this.run("geluForward", this.at(out), this.at(inp), out.size);
  }

  geluBackward(dinp: Tensor, inp: Tensor, dout: Tensor): void {
    this.run("geluBackward", this.at(dinp), this.at(inp), this.at(dout), dinp.size);
  }

  residualForward(out: Tensor, a: Tensor, b: Tensor): void {
    this.run("residualForward", this.at(out), this.at(a), this.at(b), out.size);
  }

  headScratchSize(N: number, Vp: number): number {
    return Math.min(N, Math.max(1, Math.floor(HEAD_LOGITS / Vp))) * Vp;
  }

  headLoss(
    losses: Tensor,
    scratch: Tensor,
    inp: Tensor,
    wte: Tensor,
    targets: Tensor,
    N: number,
    C: number,
    V: number,
    Vp: number,
  ): void {
    const logits = this.at(scratch);
    for (const { first, rows } of headBlocks(N, scratch.size, Vp)) {
      this.run("matmulForward", logits, this.at(inp, first * C), this.at(wte), 0, rows, C, Vp);
      this.run("softmaxLoss", this.at(losses, first), logits, this.at(targets, first), rows, V, Vp, 0, 0);
    }
  }

  headBackward(
    losses: Tensor,
    dinp: Tensor,
    dwte: Tensor,
    scratch: Tensor,
    inp: Tensor,
    wte: Tensor,
    targets: Tensor,
    N: number,
    C: number,
    V: number,
    Vp: number,
    scale: number,
    accumulate: boolean,
  ): void {
    const logits = this.at(scratch); // softmaxLoss leaves their gradient in their place
    const weight = this.at(wte);
    for (const { first, rows } of headBlocks(N, scratch.size, Vp)) {
      const x = this.at(inp, first * C);
      this.run("matmulForward", logits, x, weight, 0, rows, C, Vp);
      this.run("softmaxLoss", this.at(losses, first), logits, this.at(targets, first), rows, V, Vp, scale, 1);
      this.run("matmulBackwardInput", this.at(dinp, first * C), logits, weight, rows, C, Vp);
      this.run("matmulBackwardWeight", this.at(dwte), 0, logits, x, rows, C, Vp, Number(accumulate || first > 0));
    }
  }

  mean(out: Tensor, inp: Tensor): void {
    const chunks = this.chunksOf(inp);
    const partials = this.ensurePartials(chunks);
    this.run("sumChunks", partials, this.at(inp), inp.size);
    this.run("combine", this.at(out), partials, chunks, inp.size);
  }

  sumSquares(out: Tensor, tensors: readonly Tensor[]): void {
    const chunks = tensors.reduce((sum, tensor) => sum + this.chunksOf(tensor), 0);
    const partials = this.ensurePartials(chunks);
    let at = partials;
    for (const tensor of tensors) {
      this.run("sumSquares", at, this.at(tensor), tensor.size);
      at += 8 * this.chunksOf(tensor);
    }
    this.run("combine", this.at(out), partials, chunks, 1);
  }

  adamw(param: Tensor, grad: Tensor, m: Tensor, v: Tensor, options: AdamWOptions): void {
    const { learningRate, beta1, beta2, eps, weightDecay, gradScale, step } = options;
    const decay = 1 - learningRate * weightDecay;
    const rootScale = 1 / Math.sqrt(1 - beta2 ** step);
    const stepSize = learningRate / (1 - beta1 ** step);
    const addresses = [param, grad, m, v].map((t) => this.at(t));
    const scalars = [gradScale, 1 - beta1, beta2, 1 - beta2, decay, rootScale, eps, stepSize];
    this.run("adamw", ...addresses, param.size, ...scalars);
  }

  private get live(): WasmBackendParts {
    if (this.parts) return this.parts;
    throw new BackendError("This backend was disposed of. Create a new one to go on.");
  }

  private run(kernel: KernelName, ...args: number[]): void {
    this.live.executor.enqueue(opcodeOf(kernel), ...args);
  }

  private bufferOf(tensor: Tensor): WasmBuffer {
    const { buffer } = tensor;
    if (!(buffer instanceof WasmBuffer && buffer.owner === this))
      throw new BackendError("This tensor belongs to another backend.");
    if (buffer.freed) throw new BackendError("This tensor's memory was given back by free().");
    return buffer;
  }

  /** The byte address of a tensor's element `index`; 0 for no tensor. */
  private at(tensor: Tensor | null, index = 0): number {
    return tensor ? this.bufferOf(tensor).address + 4 * (tensor.offset + index) : 0;
  }

  private chunksOf(tensor: Tensor): number {
    return Math.ceil(tensor.size / this.live.kernels.chunkSize());
  }

  /** Gives every worker the scratch memory that attention over rows of up to T keys needs. */
  private ensureScratch(T: number): void {
    if (this.scratch && this.scratch.T >= T) return;
    const { memory, executor, kernels } = this.live;
    const stride = aligned(kernels.scratchBytes(T));
    const { address } = memory.take(stride * this.threads);
    executor.enqueue(SET_SCRATCH, address, stride);
    this.replace(this.scratch);
    this.scratch = { address, T };
  }

  private ensurePartials(count: number): number {
    if (this.partials && this.partials.count >= count) return this.partials.address;
    const { address } = this.live.memory.take(8 * count);
    this.replace(this.partials);
    this.partials = { address, count };
    return address;
  }

  /** Releases what is replaced, once the commands that use it are done. A failure until then is told elsewhere. */
  private replace(old: { readonly address: number } | null): void {
    const { memory, executor } = this.live;
    if (old) executor.after(() => memory.release(old.address)).catch(() => {});
  }
}

/** Cuts N rows into blocks of nearly equal size whose logits fit the scratch memory. */
function headBlocks(N: number, scratchSize: number, Vp: number): { first: number; rows: number }[] {
  const blocks = Math.ceil(N / Math.floor(scratchSize / Vp));
  const rows = Math.ceil(N / blocks);
  const starts = Array.from({ length: blocks }, (_, i) => i * rows);
  return starts.filter((first) => first < N).map((first) => ({ first, rows: Math.min(rows, N - first) }));
}
