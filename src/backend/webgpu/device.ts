import { platform } from "#platform";
import { BackendError, MemoryError, UsageError } from "../../errors.ts";
import { type DType, elementBytes, type QueueDevice, type Tensor, view } from "../backend.ts";
import { fromBfloat16, toBfloat16 } from "../bfloat16.ts";
import { sizeOf } from "../shape.ts";
import type { OpenAdapter } from "./adapter.ts";
import { type Dispatch, GpuBuffer, gridOf, partsOf } from "./dispatch.ts";
import { type Kernel, Pipelines } from "./pipelines.ts";
import { Recorder } from "./recorder.ts";
import { Timestamps } from "./timestamps.ts";
import { putHalvesSource, roundSource } from "./wgsl/elementwise.ts";
import { THREADS } from "./wgsl/snippets.ts";

const MAP_READ = 0x1;
const COPY_SRC = 0x4;
const COPY_DST = 0x8;
const STORAGE = 0x80;

/** Staging buffers up to this size are kept for the next read: what a training step reads is eight bytes. */
const POOLED_BYTES = 2 ** 16;

/** Operands begin at whole vectors of four floats, which most kernels read and write at once. */
export const ALIGNMENT = 16;

/** Offsets of bindings, which begin at or before an operand's first element. */
const BINDING_ALIGNMENT = 256;

/** Runs timed with one set of queries: half the passes that a set takes, since a submit may divide some. */
const TIMED_AT_ONCE = 1024;

/** The device under the operations: tensors in buffers, and kernels in the order in which they were enqueued. */
export class WebGpuDevice implements QueueDevice {
  readonly adapter: OpenAdapter;
  /** The most bytes of one operand that a kernel can be given. */
  readonly window: number;
  memoryUsed = 0;
  readonly #device: GPUDevice;
  readonly #recorder: Recorder;
  readonly #pipelines: Pipelines;
  readonly #buffers = new Set<GpuBuffer>();
  readonly #staging = new Map<number, GPUBuffer[]>();
  /** Memory for intermediate results, by purpose and size. */
  readonly #scratch = new Map<string, Tensor>();
  /** Kernels that are compiled to see whether they can be, instead of run. */
  #tried: Kernel[] | undefined;
  #nextId = 0;
  #failure: Error | undefined;
  #disposed = false;

  constructor(adapter: OpenAdapter) {
    this.adapter = adapter;
    const { device, limits, label } = adapter;
    this.window = limits.maxStorageBufferBindingSize - BINDING_ALIGNMENT;
    this.#device = device;
    this.#recorder = new Recorder(device, (error) => this.#fail(error));
    this.#pipelines = new Pipelines(device, this.#recorder.ring, limits.maxStorageBufferBindingSize);
    device.addEventListener("uncapturederror", ({ error }) => {
      this.#fail(new BackendError(`${label} refused a command: ${firstLine(error.message)} ${REPORT}`));
    });
    device.lost.then(({ reason, message }) => {
      if (this.#disposed) return;
      this.#fail(
        new BackendError(
          `${label} was lost: ${firstLine(message) || reason}. Its driver was reset or updated, it ran out of memory, or a ` +
            "computation took too long. Files are complete: resume from the last checkpoint, with a smaller batch or " +
            "another backend if it happens again.",
        ),
      );
    });
  }

  get queueDevice(): QueueDevice {
    return this;
  }

  get counts(): QueueDevice["counts"] {
    const { dispatches, submits } = this.#recorder;
    const { pipelines, bindGroups } = this.#pipelines;
    return { dispatches, submits, pipelines, bindGroups };
  }

  alloc(shape: readonly number[], dtype: DType = "f32"): Tensor {
    this.#check();
    const size = sizeOf(shape);
    const bytes = Math.max(ALIGNMENT, Math.ceil((size * elementBytes[dtype]) / ALIGNMENT) * ALIGNMENT);
    const { label, limits } = this.adapter;
    if (bytes > limits.maxBufferSize)
      throw new MemoryError(
        `A tensor of ${mebibytes(bytes)} exceeds the largest buffer of ${label}, ${mebibytes(limits.maxBufferSize)} ` +
          "(maxBufferSize). Choose a smaller model, batch or context, or another backend.",
      );
    this.#device.pushErrorScope("out-of-memory");
    const memory = this.#device.createBuffer({ size: bytes, usage: STORAGE | COPY_SRC | COPY_DST });
    const used = this.memoryUsed;
    this.#device.popErrorScope().then(
      (error) => error && this.#fail(outOfMemory(label, bytes, used)),
      () => {}, // the device is lost, which its own promise reports
    );
    const buffer = new GpuBuffer(this, memory, bytes, this.#nextId++);
    this.#buffers.add(buffer);
    this.memoryUsed += bytes;
    return { buffer, dtype, offset: 0, shape, size };
  }

  async free(tensor: Tensor): Promise<void> {
    if (this.#disposed) return;
    const buffer = this.#bufferOf(tensor);
    buffer.freed = true;
    this.#recorder.close();
    await this.#recorder.submitted;
    if (!this.#buffers.delete(buffer)) return;
    this.#pipelines.forget(buffer);
    buffer.memory.destroy(); // after the submitted commands that use it
    this.memoryUsed -= buffer.bytes;
  }

  async write(tensor: Tensor, data: Float32Array | Int32Array): Promise<void> {
    this.#check();
    if (data.length > tensor.size)
      throw new UsageError(`write: ${data.length} elements do not fit a tensor of ${tensor.size}.`);
    const { memory } = this.#bufferOf(tensor);
    const { dtype, offset } = tensor;
    this.#recorder.close();
    if (dtype === "bf16") await this.#writeHalves(tensor, toBfloat16(float32(data)));
    else {
      const elements = dtype === "i32" ? int32(data) : float32(data);
      await this.#recorder.after(() => this.#device.queue.writeBuffer(memory, 4 * offset, elements));
    }
    this.#check();
  }

  /** Two halves lie in a word, and whole words are copied: a neighbour in the first or the last one is kept by a kernel. */
  async #writeHalves(tensor: Tensor, halves: Uint16Array<ArrayBuffer>): Promise<void> {
    const { memory, bytes } = this.#bufferOf(tensor);
    const before = tensor.offset % 2;
    const first = (tensor.offset - before) / 2;
    const words = new Uint16Array(2 * Math.ceil((before + halves.length) / 2));
    words.set(halves, before);
    const keepsLast = before + halves.length < words.length && 4 * first + 2 * words.length < bytes;
    if (before === 0 && !keepsLast)
      return this.#recorder.after(() => this.#device.queue.writeBuffer(memory, 4 * first, words));
    const size = words.length / 2;
    const source = this.alloc([size], "i32");
    const written = this.write(source, new Int32Array(words.buffer));
    this.run({
      key: "put halves",
      source: () => putHalvesSource,
      tensors: [{ ...tensor, dtype: "i32", offset: first, shape: [size], size }, source],
      u32: [size, before, Number(keepsLast)],
      grid: gridOf(size, THREADS),
      flops: size,
    });
    await Promise.all([written, this.free(source)]);
  }

  async read(tensor: Tensor): Promise<Float32Array> {
    const bytes = await this.#readBytes(tensor);
    if (tensor.dtype !== "bf16") return new Float32Array(bytes, 0, tensor.size);
    return fromBfloat16(new Uint16Array(bytes, 2 * (tensor.offset % 2), tensor.size));
  }

  /** A copy of the words in which a tensor lies. */
  async #readBytes({ dtype, offset, size, ...tensor }: Tensor): Promise<ArrayBuffer> {
    this.#check();
    const width = elementBytes[dtype];
    const start = Math.floor((width * offset) / 4) * 4;
    const length = Math.ceil((width * (offset + size) - start) / 4) * 4;
    const { memory } = this.#bufferOf({ dtype, offset, size, ...tensor });
    const staging = this.#takeStaging(length);
    this.#recorder.copy(memory, start, staging, length);
    this.#recorder.close();
    await this.#recorder.submitted;
    try {
      await platform.gpu.wait(staging.mapAsync(MAP_READ, 0, length));
    } catch (error) {
      await this.#device.lost; // what the loss rejects with says nothing
      this.#check();
      throw error;
    }
    this.#recorder.idle();
    const bytes = staging.getMappedRange(0, length).slice(0);
    staging.unmap();
    this.#keepStaging(staging);
    this.#check();
    return bytes;
  }

  #takeStaging(length: number): GPUBuffer {
    const size = length > POOLED_BYTES ? length : Math.max(16, 2 ** Math.ceil(Math.log2(length)));
    return this.#staging.get(size)?.pop() ?? this.#device.createBuffer({ size, usage: MAP_READ | COPY_DST });
  }

  #keepStaging(staging: GPUBuffer): void {
    if (staging.size > POOLED_BYTES) staging.destroy();
    else this.#staging.set(staging.size, [...(this.#staging.get(staging.size) ?? []), staging]);
  }

  async sync(): Promise<void> {
    this.#check();
    this.#recorder.close();
    await this.#recorder.submitted;
    await platform.gpu.wait(this.#device.queue.onSubmittedWorkDone());
    this.#recorder.idle();
    // Errors and loss are reported by the same events, some later in the queue.
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#check();
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#recorder.submitted;
    for (const buffer of this.#buffers) buffer.memory.destroy();
    this.#buffers.clear();
    this.memoryUsed = 0;
    this.#device.destroy();
  }

  /**
   * At least `size` floats of memory for intermediate results, shared by all operations of this purpose and a size up to
   * the next power of two: each gets the same one every time, so that its bind group is kept.
   */
  scratch(purpose: string, size: number): Tensor {
    const rounded = 2 ** Math.ceil(Math.log2(size));
    const key = `${purpose} ${rounded}`;
    const kept = this.#scratch.get(key) ?? this.alloc([rounded]);
    this.#scratch.set(key, kept);
    return kept;
  }

  /** out = inp, rounded to its type; nothing where they are one. In whole vectors of four. */
  round(out: Tensor, inp: Tensor): void {
    if (out.buffer === inp.buffer) return;
    for (const { first, count } of partsOf(out.size, Math.floor(this.window / 16) * 4))
      this.run({
        key: "round",
        source: () => roundSource,
        tensors: [view(out, first, [count]), view(inp, first, [count])],
        u32: [count / 4],
        grid: gridOf(count / 4, THREADS),
        flops: count,
      });
  }

  submit(): void {
    this.#recorder.close();
  }

  get hasTimestamps(): boolean {
    return this.#device.features.has("timestamp-query");
  }

  async timesOf(runs: readonly (() => void)[]): Promise<number[]> {
    const times: number[] = [];
    for (const { first, count } of partsOf(runs.length, TIMED_AT_ONCE)) {
      await this.sync();
      const timestamps = new Timestamps(this.#device);
      try {
        for (let i = 0; i < count; i++) {
          this.#recorder.timed = () => timestamps.nextPass(i);
          runs[first + i]();
        }
      } finally {
        this.#recorder.timed = undefined;
      }
      await this.sync();
      times.push(...(await timestamps.read(count)));
    }
    return times;
  }

  run(dispatch: Dispatch): void {
    this.#check();
    const buffers = dispatch.tensors.map((tensor) => this.#bufferOf(tensor));
    const call = this.#pipelines.call(dispatch, buffers);
    if (this.#tried) this.#tried.push(call.kernel);
    else this.#recorder.record(call, dispatch);
  }

  /** True if the driver compiles every kernel that `run` dispatches. Nothing is computed. */
  async compiles(run: () => void): Promise<boolean> {
    const kernels: Kernel[] = [];
    this.#device.pushErrorScope("validation");
    this.#tried = kernels;
    let problem: Promise<GPUError | null>;
    try {
      run();
    } finally {
      this.#tried = undefined;
      problem = this.#device.popErrorScope().catch(() => null); // the device is lost, which its own promise reports
    }
    const outcomes = await Promise.allSettled(kernels.map(({ compiling }) => compiling));
    return (await problem) === null && outcomes.every(({ status }) => status === "fulfilled");
  }

  #bufferOf({ buffer }: Tensor): GpuBuffer {
    if (!(buffer instanceof GpuBuffer && buffer.owner === this))
      throw new BackendError("This tensor belongs to another backend.");
    if (buffer.freed) throw new BackendError("This tensor's memory was given back by free().");
    return buffer;
  }

  /** Keeps the first failure: those that follow from it say nothing. */
  #fail(error: Error): void {
    this.#failure ??= error;
  }

  #check(): void {
    if (this.#disposed) throw new BackendError("This backend was disposed of. Create a new one.");
    if (this.#failure) throw this.#failure;
  }
}

const REPORT = "Please report this, with what llm-ts info --system prints.";

function outOfMemory(label: string, bytes: number, used: number): MemoryError {
  return new MemoryError(
    `${label} is out of memory: it had no ${mebibytes(bytes)} left beside ${mebibytes(used)}. Choose a smaller model, ` +
      "batch or context (llm-ts train -b, -t), or another backend.",
  );
}

function firstLine(text: string): string {
  return text.split("\n")[0].trim();
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString("en")} MiB`;
}

const float32 = (data: Float32Array | Int32Array) => (data instanceof Float32Array ? data : Float32Array.from(data));
const int32 = (data: Float32Array | Int32Array) => (data instanceof Int32Array ? data : Int32Array.from(data));
