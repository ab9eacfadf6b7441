import { BackendError, UsageError } from "../../errors.ts";
import {
  type BackendLimits,
  type BackendPromises,
  type DeviceBuffer,
  type DType,
  elementBytes,
  type ProbeName,
  sizeOf,
  type Tensor,
} from "../backend.ts";
import { fromBfloat16, toBfloat16 } from "../bfloat16.ts";
import { aligned } from "./allocator.ts";
import type { Executor } from "./executor.ts";
import { ALONE, type KernelExports, type KernelName, opcodeOf, SET_SCRATCH } from "./kernels.ts";
import { type KernelMemory, MEMORY_LIMIT } from "./memory.ts";

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
  /** An instance in the calling thread, for questions only. */
  readonly kernels: KernelExports;
}

/** `partials`: the sums of chunks, f64, of `mean` and `sumSquares`; `widened`: a bfloat16 matrix as float32. */
type RoomName = "partials" | "widened";

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);

/** The device under the operations: tensors in one memory, and commands to whoever runs them. */
export class WasmDevice {
  readonly threads: number;
  readonly limits: BackendLimits;
  readonly promises: BackendPromises;
  /** Null once disposed of, so that the memory is free even if someone still holds this backend. */
  private parts: DeviceParts | null;
  private disposal: Promise<void> | null = null;
  /** Bytes that were taken before any tensor. */
  private readonly ownMemory: number;
  /** Where the workers' scratch memory begins, and for how long a row of attention it is enough. */
  private scratch: { readonly address: number; readonly T: number } | null = null;
  private firstOpcode = 0; // ALONE while `alone` runs
  private readonly rooms = new Map<RoomName, { readonly address: number; readonly bytes: number }>();

  constructor(parts: DeviceParts) {
    this.parts = parts;
    this.threads = parts.executor.threads;
    this.promises = { sameBits: true, fma: parts.kernels.isFused(1 + 2 ** -12) === 1 };
    this.ensureScratch(0);
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
    if (!zero) this.run("fill", address, words, 0);
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

  /** The copy is made in one go: read a very large tensor in pieces, if the event loop must not wait for it. */
  async read(tensor: Tensor): Promise<Float32Array> {
    const { memory, executor } = this.live;
    const address = this.addressOf(tensor);
    return executor.after(() =>
      tensor.dtype === "bf16"
        ? fromBfloat16(memory.u16(address, tensor.size))
        : memory.f32(address, tensor.size).slice(),
    );
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
    this.run("fill", this.at(out), out.size, out.dtype === "i32" ? value : bits[0]);
  }

  /** What `llm-ts bench` measures a machine with (assembly/bench.ts, fma.mjs). */
  probe(kernel: ProbeName, tensors: readonly Tensor[], n: number): void {
    this.run(kernel, ...tensors.map((tensor) => this.at(tensor)), n);
  }

  private get live(): DeviceParts {
    if (this.parts) return this.parts;
    throw new BackendError("This backend was disposed of. Create a new one to go on.");
  }

  protected run(kernel: KernelName, ...args: number[]): void {
    this.command(this.firstOpcode + opcodeOf(kernel), ...args);
  }

  protected command(opcode: number, ...args: number[]): void {
    this.live.executor.enqueue(opcode, ...args);
  }

  /** What `body` enqueues is computed by one thread. */
  alone(body: () => void): void {
    this.firstOpcode = ALONE;
    try {
      body();
    } finally {
      this.firstOpcode = 0;
    }
  }

  private bufferOf(tensor: Tensor): WasmBuffer {
    const { buffer } = tensor;
    if (!(buffer instanceof WasmBuffer && buffer.owner === this))
      throw new BackendError("This tensor belongs to another backend.");
    if (buffer.freed) throw new BackendError("This tensor's memory was given back by free().");
    return buffer;
  }

  /** The byte address of a tensor's element `index`; 0 for no tensor. */
  protected at(tensor: Tensor | null, index = 0): number {
    if (tensor?.dtype === "bf16")
      throw new BackendError("bfloat16 weights can only be read, to generate. Load the model in float32 for all else.");
    return tensor ? this.addressOf(tensor) + 4 * index : 0;
  }

  /** The byte address of a tensor of any type. */
  protected addressOf(tensor: Tensor): number {
    return this.bufferOf(tensor).address + elementBytes[tensor.dtype] * tensor.offset;
  }

  protected chunksOf(tensor: Tensor): number {
    return Math.ceil(tensor.size / this.live.kernels.chunkSize());
  }

  /** Gives every worker the scratch memory that attention over rows of up to T keys needs. */
  protected ensureScratch(T: number): void {
    if (this.scratch && this.scratch.T >= T) return;
    const { memory, executor, kernels } = this.live;
    const stride = aligned(kernels.scratchBytes(T));
    const { address } = memory.take(stride * this.threads);
    executor.enqueue(SET_SCRATCH, address, stride);
    this.replace(this.scratch);
    this.scratch = { address, T };
  }

  /** The address of memory for what a command makes and the next one uses. */
  protected ensureRoom(name: RoomName, bytes: number): number {
    const room = this.rooms.get(name);
    if (room && room.bytes >= bytes) return room.address;
    const { address } = this.live.memory.take(bytes);
    this.replace(room);
    this.rooms.set(name, { address, bytes });
    return address;
  }

  /** Up to this many rows a product is made of dot products. */
  protected get fewRows(): number {
    return this.live.kernels.fewRows();
  }

  /** Releases what is replaced, once the commands that use it are done. A failure until then is told elsewhere. */
  private replace(old: { readonly address: number } | null | undefined): void {
    const { memory, executor } = this.live;
    if (old) executor.after(() => memory.release(old.address)).catch(() => {});
  }
}
