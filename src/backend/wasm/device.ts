import { BackendError, UsageError } from "../../errors.ts";
import {
  type BackendLimits,
  type BackendPromises,
  type Blas,
  type DeviceBuffer,
  type DType,
  elementBytes,
  type Probes,
  sizeOf,
  type Tensor,
} from "../backend.ts";
import { fromBfloat16, toBfloat16 } from "../bfloat16.ts";
import { aligned } from "./allocator.ts";
import type { Executor } from "./executor.ts";
import { PACKED_FLOATS } from "./gemm.ts";
import { type KernelExports, type KernelName, opcodeOf, SET_SCRATCH } from "./kernels.ts";
import { type KernelMemory, MEMORY_LIMIT } from "./memory.ts";
import { elements, partsOf, type Work } from "./parts.ts";
import { wasmProbes } from "./probes.ts";
import { EVERY_WORKER } from "./protocol.ts";

class WasmBuffer implements DeviceBuffer {
  readonly owner: WasmDevice;
  readonly address: number;
  readonly bytes: number;
  freed = false;

  constructor(owner: WasmDevice, address: number, bytes: number) {
    this.owner = owner;
    this.address = address;
    this.bytes = bytes;
  }
}

export interface DeviceParts {
  readonly memory: KernelMemory;
  readonly executor: Executor;
  /** An instance on the calling thread, for queries only (chunkSize, fewRows, …). */
  readonly kernels: KernelExports;
  /** The BLAS that `kernels`' imports lead to. */
  readonly blas?: Blas;
}

/**
 * `packed`: the shared operand of a matmul; `partials`: f64 sums of chunks, of `mean` and `sumSquares`; `widened`: a bfloat16
 * matrix as float32.
 */
type ScratchName = "packed" | "partials" | "widened";

/** Nanoseconds of an element of a fill. */
const FILL_NS = 0.1;

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);

/** The device below the operations: tensors in one WebAssembly memory, commands to an executor. */
export class WasmDevice {
  readonly threads: number;
  readonly limits: BackendLimits;
  readonly promises: BackendPromises;
  readonly blas: Blas | undefined;
  /** Null after dispose, so that the memory is collected even while a reference to this backend is held. */
  private parts: DeviceParts | null;
  private disposal: Promise<void> | null = null;
  /** Bytes allocated before any tensor. */
  private readonly ownMemory: number;
  /** Per-worker scratch memory: its address, and the longest row of attention (T) that it holds. */
  private workerScratch: { readonly address: number; readonly T: number } | null = null;
  private isAlone = false; // while `alone` runs
  /** Scratch buffers shared by all workers: the output of one command that the next one reads. */
  private readonly scratchBuffers = new Map<ScratchName, { readonly address: number; readonly bytes: number }>();

  constructor(parts: DeviceParts) {
    this.parts = parts;
    this.threads = parts.executor.threads;
    this.blas = parts.blas;
    this.promises = { sameBits: parts.blas === undefined, fma: parts.kernels.isFused(1 + 2 ** -12) === 1 };
    this.ensureWorkerScratch(0);
    this.ensureScratch("packed", 4 * PACKED_FLOATS);
    this.ownMemory = parts.memory.used;
    const total = MEMORY_LIMIT - this.ownMemory;
    this.limits = { total, buffer: total, alignment: elementBytes.f32 };
  }

  get memoryUsed(): number {
    return this.parts ? this.parts.memory.used - this.ownMemory : 0;
  }

  alloc(shape: readonly number[], dtype: DType = "f32"): Tensor {
    const size = sizeOf(shape);
    const words = Math.ceil((size * elementBytes[dtype]) / 4);
    const { address, zero } = this.live.memory.take(words * 4);
    const tensor = { buffer: new WasmBuffer(this, address, words * 4), dtype, offset: 0, shape, size };
    if (!zero) this.run("fill", elements(words, FILL_NS), address, words, 0);
    return tensor;
  }

  async free(tensor: Tensor): Promise<void> {
    if (!this.parts) return;
    const { memory, executor } = this.parts;
    const buffer = this.bufferOf(tensor);
    buffer.freed = true;
    try {
      await executor.after(() => memory.release(buffer.address));
    } catch (error) {
      if (this.parts) throw error; // else the memory went with the backend
    }
  }

  async write(tensor: Tensor, data: Float32Array | Int32Array): Promise<void> {
    const { memory, executor } = this.live;
    if (data.length > tensor.size)
      throw new UsageError(`write: ${data.length} elements do not fit a tensor of ${tensor.size}.`);
    const address = this.addressOf(tensor);
    await executor.after(() => {
      if (tensor.dtype === "bf16") memory.u16(address, data.length).set(toBfloat16(Float32Array.from(data)));
      else if (tensor.dtype === "i32") memory.i32(address, data.length).set(data);
      else memory.f32(address, data.length).set(data);
    });
  }

  /** Copies in one go: read a very large tensor in pieces if the event loop must not block. */
  async read(tensor: Tensor): Promise<Float32Array> {
    const { memory, executor } = this.live;
    const address = this.addressOf(tensor);
    return executor.after(() =>
      tensor.dtype === "bf16"
        ? fromBfloat16(memory.u16(address, tensor.size))
        : memory.f32(address, tensor.size).slice(),
    );
  }

  async hostMemory(tensor: Tensor): Promise<Float32Array> {
    const { memory, executor } = this.live;
    const address = this.at(tensor);
    return executor.after(() => memory.f32(address, tensor.size));
  }

  async sync(): Promise<void> {
    await this.live.executor.after(() => {});
  }

  async dispose(): Promise<void> {
    this.disposal ??= this.live.executor.dispose();
    this.parts = null;
    await this.disposal;
  }

  fill(out: Tensor, value: number): void {
    floats[0] = value;
    this.run("fill", elements(out.size, FILL_NS), this.at(out), out.size, out.dtype === "i32" ? value : bits[0]);
  }

  probes(): Promise<Probes> {
    return wasmProbes(this, (kernel, tensors, n) =>
      this.run(kernel, EVERY_WORKER, ...tensors.map((tensor) => this.at(tensor)), n),
    );
  }

  private get live(): DeviceParts {
    if (this.parts) return this.parts;
    throw new BackendError("This backend was disposed of. Create a new one.");
  }

  protected run(kernel: KernelName, work: Work, ...args: number[]): void {
    const parts = partsOf(work, this.isAlone ? 1 : this.threads);
    this.live.executor.enqueue(opcodeOf(kernel), parts, ...args);
  }

  /** Runs a command on every worker. */
  protected set(opcode: number, ...args: number[]): void {
    this.live.executor.enqueue(opcode, EVERY_WORKER, ...args);
  }

  /** Runs each command that `body` enqueues in one part, on one thread. */
  alone(body: () => void): void {
    this.isAlone = true;
    try {
      body();
    } finally {
      this.isAlone = false;
    }
  }

  private bufferOf(tensor: Tensor): WasmBuffer {
    const { buffer } = tensor;
    if (!(buffer instanceof WasmBuffer && buffer.owner === this))
      throw new BackendError("This tensor belongs to another backend.");
    if (buffer.freed) throw new BackendError("This tensor's memory was given back by free().");
    return buffer;
  }

  /** Byte address of element `index` of a float32 or int32 tensor; 0 for null. */
  protected at(tensor: Tensor | null, index = 0): number {
    if (tensor?.dtype === "bf16")
      throw new BackendError("bfloat16 weights can only be read, to generate. Load the model in float32 for all else.");
    return tensor ? this.addressOf(tensor) + 4 * index : 0;
  }

  /** Byte address of a tensor of any type. */
  protected addressOf(tensor: Tensor): number {
    return this.bufferOf(tensor).address + elementBytes[tensor.dtype] * tensor.offset;
  }

  /** Elements of each partial sum of `sumChunks` and `sumSquares`. */
  protected get chunk(): number {
    return this.live.kernels.chunkSize();
  }

  protected chunksOf(tensor: Tensor): number {
    return Math.ceil(tensor.size / this.chunk);
  }

  /** Grows the per-worker scratch memory to attention over rows of up to T keys. */
  protected ensureWorkerScratch(T: number): void {
    if (this.workerScratch && this.workerScratch.T >= T) return;
    const { memory, kernels } = this.live;
    const stride = aligned(kernels.scratchBytes(T));
    const { address } = memory.take(stride * this.threads);
    this.set(SET_SCRATCH, address, stride);
    this.replace(this.workerScratch);
    this.workerScratch = { address, T };
  }

  /** Address of the scratch buffer `name`, grown to `bytes`. */
  protected ensureScratch(name: ScratchName, bytes: number): number {
    const buffer = this.scratchBuffers.get(name);
    if (buffer && buffer.bytes >= bytes) return buffer.address;
    const { address } = this.live.memory.take(bytes);
    this.replace(buffer);
    this.scratchBuffers.set(name, { address, bytes });
    return address;
  }

  /** Largest number of rows that a matmul computes as dot products. */
  protected get fewRows(): number {
    return this.live.kernels.fewRows();
  }

  /** Releases `old` once the commands that use it are done. The next await reports a failure before that. */
  private replace(old: { readonly address: number } | null | undefined): void {
    const { memory, executor } = this.live;
    if (old) executor.after(() => memory.release(old.address)).catch(() => {});
  }
}
