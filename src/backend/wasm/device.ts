import { platform } from "#platform";
import { BackendError, UsageError } from "../../errors.ts";
import {
  type BackendLimits,
  type BackendPromises,
  type Blas,
  type DType,
  elementBytes,
  type Probes,
  type Tensor,
  type Usage,
  view,
} from "../backend.ts";
import { fromBfloat16, toBfloat16 } from "../bfloat16.ts";
import type { Access } from "../operands.ts";
import { sizeOf } from "../shape.ts";
import { aligned } from "./allocator.ts";
import { groupBytes, readBlocks, requireBlocks, requireGroup, writeBlocks } from "./blocks.ts";
import type { Executor } from "./executor.ts";
import { PACKED_FLOATS } from "./gemm.ts";
import { type KernelExports, type KernelName, opcodeOf, SET_SCRATCH } from "./kernels.ts";
import { type KernelMemory, MEMORY_LIMIT } from "./memory.ts";
import { elements, partsOf, type Work } from "./parts.ts";
import { wasmProbes } from "./probes.ts";
import { EVERY_WORKER } from "./protocol.ts";
import { type Inside, withOperandsInside } from "./staging.ts";
import { type Block, TensorMemory, tensorLimit } from "./tensor-memory.ts";

export interface DeviceParts {
  readonly memory: KernelMemory;
  readonly executor: Executor;
  /** An instance on the calling thread, for queries only (chunkSize, fewRows, …). */
  readonly kernels: KernelExports;
  /** The BLAS that `kernels`' imports lead to. */
  readonly blas?: Blas;
  /** Bytes of tensors in `memory`; default: as many as it takes. */
  readonly inside?: number;
}

interface LiveParts extends Pick<DeviceParts, "executor" | "kernels"> {
  readonly tensors: TensorMemory;
}

/**
 * `packed`: the shared operand of a matmul; `partials`: f64 sums of chunks, of `mean` and `sumSquares`; `widened`: a bfloat16
 * or int8 matrix as float32; `quantized`: rows for int8 matmuls; `staged`: operands that are outside of the WebAssembly memory.
 */
type ScratchName = "packed" | "partials" | "widened" | "quantized" | "staged";

/** Nanoseconds of an element of a fill. */
const FILL_NS = 0.1;

/** Elements of tensors outside that are copied at a time: 1 MiB each. A multiple of the chunks of sums. */
const PIECE = 2 ** 18;

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);

/** The device below the operations: tensors in memory, commands to an executor. */
export class WasmDevice {
  readonly threads: number;
  readonly limits: BackendLimits;
  readonly promises: BackendPromises;
  readonly blas: Blas | undefined;
  /** Null after dispose, so that the memory is collected even while a reference to this backend is held. */
  private parts: LiveParts | null;
  private disposal: Promise<void> | null = null;
  /** Bytes allocated before any tensor. */
  private readonly ownMemory: number;
  /** Per-worker scratch memory: its block, and the bytes of it that each worker has. */
  private workerScratch: { readonly block: Block; readonly stride: number } | null = null;
  private isAlone = false; // while `alone` runs
  /** Scratch buffers shared by all workers: the output of one command that the next one reads. */
  private readonly scratchBlocks = new Map<ScratchName, Block>();

  constructor(parts: DeviceParts) {
    const { memory, executor, kernels, blas } = parts;
    const total = tensorLimit();
    const inPlace = Math.min(parts.inside ?? MEMORY_LIMIT, total);
    const tensors = new TensorMemory(memory, executor, { total, inside: inPlace });
    this.parts = { tensors, executor, kernels };
    this.threads = executor.threads;
    this.blas = blas;
    this.promises = { sameBits: blas === undefined, fma: kernels.isFused(1 + 2 ** -12) === 1 };
    this.ensureWorkerScratch(0, 0);
    this.ensureScratch("packed", 4 * PACKED_FLOATS);
    this.ownMemory = tensors.used;
    this.limits = { total, inPlace, buffer: MEMORY_LIMIT - this.ownMemory, alignment: elementBytes.f32 };
  }

  get memoryUsed(): number {
    return this.parts ? this.parts.tensors.used - this.ownMemory : 0;
  }

  get memoryAvailable(): number | undefined {
    return platform.machineMemory?.available();
  }

  alloc(shape: readonly number[], dtype: DType = "f32", usage: Usage = "activations"): Tensor {
    const size = sizeOf(shape);
    const words = dtype === "int8" ? groupBytes(size) / 4 : Math.ceil((size * elementBytes[dtype]) / 4);
    const { block: buffer, zero } = this.live.tensors.alloc(words * 4, usage);
    if (!zero) this.fill({ buffer, dtype: "i32", offset: 0, shape: [words], size: words }, 0);
    return { buffer, dtype, offset: 0, shape, size };
  }

  async free(tensor: Tensor): Promise<void> {
    if (!this.parts) return;
    const { tensors } = this.parts;
    try {
      await tensors.free(tensors.blockOf(tensor));
    } catch (error) {
      if (this.parts) throw error; // else the memory went with the backend
    }
  }

  async write(tensor: Tensor, data: Float32Array | Int32Array): Promise<void> {
    const { tensors, executor } = this.live;
    if (data.length > tensor.size)
      throw new UsageError(`write: ${data.length} elements do not fit a tensor of ${tensor.size}.`);
    requireBlocks(tensor, data.length);
    const place = tensors.placeOf(tensor);
    await executor.after(() => {
      const bank = tensors.bank(place);
      if (tensor.dtype === "int8") writeBlocks(this.groupsOf(tensor), tensor.offset, Float32Array.from(data));
      else if (tensor.dtype === "bf16")
        new Uint16Array(bank, place.address, data.length).set(toBfloat16(Float32Array.from(data)));
      else if (tensor.dtype === "i32") new Int32Array(bank, place.address, data.length).set(data);
      else new Float32Array(bank, place.address, data.length).set(data);
    });
  }

  /** Copies in one go: read a very large tensor in pieces if the event loop must not block. */
  async read(tensor: Tensor): Promise<Float32Array> {
    const { tensors, executor } = this.live;
    requireBlocks(tensor, tensor.size);
    const place = tensors.placeOf(tensor);
    return executor.after(() => {
      const bank = tensors.bank(place);
      if (tensor.dtype === "int8") return readBlocks(this.groupsOf(tensor), tensor.offset, tensor.size);
      if (tensor.dtype === "bf16") return fromBfloat16(new Uint16Array(bank, place.address, tensor.size));
      return new Float32Array(bank, place.address, tensor.size).slice();
    });
  }

  /** The whole buffer that an int8 tensor lies in, for immediate use. */
  private groupsOf(tensor: Tensor): Uint8Array {
    const { tensors } = this.live;
    const { place, bytes } = tensors.blockOf(tensor);
    return new Uint8Array(tensors.bank(place), place.address, bytes);
  }

  async hostMemory(tensor: Tensor): Promise<Float32Array> {
    const { tensors, executor } = this.live;
    this.at(tensor); // other types are refused
    const place = tensors.placeOf(tensor);
    return executor.after(() => new Float32Array(tensors.bank(place), place.address, tensor.size));
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
    const word = out.dtype === "i32" ? value : bits[0];
    this.inPieces([{ tensor: out, reads: false, writes: true }], ([piece]) =>
      this.run("fill", elements(piece.size, FILL_NS), this.at(piece), piece.size, word),
    );
  }

  probes(): Promise<Probes> {
    return wasmProbes(this, (kernel, tensors, n) =>
      this.run(kernel, EVERY_WORKER, ...tensors.map((tensor) => this.at(tensor)), n),
    );
  }

  private get live(): LiveParts {
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

  /**
   * Runs `body`, which enqueues an operation on these operands. Where any are outside of the WebAssembly memory, `inside` gives
   * the tensors to use instead. All operations go through here.
   */
  protected withOperands(operands: () => readonly Access[], body: (inside?: Inside) => void): void {
    const { tensors } = this.live;
    tensors.pin(
      () => operands().map(({ tensor }) => tensor),
      () => {
        if (!tensors.hasOutside) body();
        else withOperandsInside(tensors, operands(), (bytes) => this.scratch("staged", bytes), body);
      },
    );
  }

  /** The same for an operation on each element: those outside in pieces, which stay in the caches. */
  protected inPieces(operands: readonly Access[], body: (pieces: readonly Tensor[], start: number) => void): void {
    const { tensors } = this.live;
    const { size } = operands[0].tensor;
    const length = operands.some(({ tensor }) => tensors.blockOf(tensor).isOutside) ? PIECE : size;
    for (let start = 0; start < size; start += length) {
      const pieces = operands.map((operand) => {
        const { tensor } = operand;
        return { ...operand, tensor: view(tensor, start, [Math.min(length, size - start)]) };
      });
      this.withOperands(
        () => pieces,
        (inside) =>
          body(
            pieces.map(({ tensor }) => (inside ? inside(tensor) : tensor)),
            start,
          ),
      );
    }
  }

  /** Byte address of element `index` of a float32 or int32 tensor; 0 for null. */
  protected at(tensor: Tensor | null, index = 0): number {
    if (tensor?.dtype === "bf16" || tensor?.dtype === "int8")
      throw new BackendError(
        `${tensor.dtype} weights can only be read, to generate and to evaluate. Load the model in float32 for all else.`,
      );
    return tensor ? this.addressOf(tensor) + 4 * index : 0;
  }

  /** Byte address of a tensor of any type. BackendError for one of int8 that does not begin with a whole group. */
  protected addressOf(tensor: Tensor): number {
    requireGroup(tensor);
    return this.live.tensors.placeOf(tensor).address;
  }

  /** Elements of each partial sum of `sumChunks` and `sumSquares`. */
  protected get chunk(): number {
    return this.live.kernels.chunkSize();
  }

  protected chunksOf(tensor: Tensor): number {
    return Math.ceil(tensor.size / this.chunk);
  }

  /** Grows the per-worker scratch memory to attention over rows of up to T keys, with heads of hs floats. */
  protected ensureWorkerScratch(T: number, hs: number): void {
    const { tensors, kernels } = this.live;
    const stride = aligned(kernels.scratchBytes(T, hs));
    if (this.workerScratch && this.workerScratch.stride >= stride) return;
    const block = tensors.allocScratch(stride * this.threads);
    this.set(SET_SCRATCH, block.place.address, stride);
    this.replace(this.workerScratch?.block);
    this.workerScratch = { block, stride };
  }

  /** Address of the scratch buffer `name`, grown to `bytes`. */
  protected ensureScratch(name: ScratchName, bytes: number): number {
    return this.scratch(name, bytes).place.address;
  }

  private scratch(name: ScratchName, bytes: number): Block {
    const old = this.scratchBlocks.get(name);
    if (old && old.bytes >= bytes) return old;
    const block = this.live.tensors.allocScratch(bytes);
    this.replace(old);
    this.scratchBlocks.set(name, block);
    return block;
  }

  /** Largest number of rows that a matmul computes as dot products. */
  protected get fewRows(): number {
    return this.live.kernels.fewRows();
  }

  /** Bytes of a row of so many blocks as int8 matmuls read it. */
  protected inputRowBytes(blocks: number): number {
    return this.live.kernels.inputRowBytes(blocks);
  }

  /** Releases `old` once the commands that use it are done. The next await reports a failure before that. */
  private replace(old: Block | undefined): void {
    if (old) this.live.tensors.free(old).catch(() => {});
  }
}
