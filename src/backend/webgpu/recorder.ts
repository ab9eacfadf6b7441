/** Commands for the GPU's queue: recorded in batches, each of one command buffer, submitted in order. */
import { type Dispatch, type Grid, SLOT_BYTES } from "./dispatch.ts";
import type { Call } from "./pipelines.ts";

const UNIFORM = 0x40;
const COPY_DST = 0x8;

/** Dispatches whose parameters are in one batch. */
const SLOTS = 2048;

/** Floating-point operations of a submit before the device's speed is known: a tenth of a second at 50 GFLOP/s. */
const FIRST_SUBMIT = 5e9;

/** Duration of one submit's work, in seconds: systems reset a GPU that is busy with one for two. */
const SUBMIT_SECONDS = 0.1;

/** Timestamps for a pass of what is measured. */
export type Timed = () => GPUComputePassTimestampWrites;

type Command =
  | { readonly call: Call; readonly slot: number; readonly grid: Grid; readonly timed: Timed | undefined }
  | { readonly from: GPUBuffer; readonly start: number; readonly to: GPUBuffer; readonly bytes: number };

class Batch {
  readonly commands: Command[] = [];
  readonly parameters = new ArrayBuffer(SLOT_BYTES * SLOTS);
  readonly u32 = new Uint32Array(this.parameters);
  readonly f32 = new Float32Array(this.parameters);
  slots = 0;
  flops = 0;
}

/**
 * A batch becomes one command buffer with one compute pass, unless it copies. It is submitted at once if all its
 * pipelines are compiled, else when they are; later batches wait for it. A batch ends where results are awaited, and
 * after about a tenth of a second's work.
 */
export class Recorder {
  /** Parameters of one batch's dispatches: bound at a dynamic offset, so that bind groups can be kept. */
  readonly ring: GPUBuffer;
  /** If set, each recorded dispatch gets a pass of its own with these timestamps. */
  timed: Timed | undefined;
  dispatches = 0;
  submits = 0;
  /** Resolves once everything closed so far is submitted; undefined when it is already. */
  submitted: Promise<void> | undefined;
  #flopsPerSubmit = FIRST_SUBMIT;
  /** Work submitted since the queue was last known to be empty, and when it began, in ms. */
  #pending = { flops: 0, since: 0 };
  readonly #device: GPUDevice;
  readonly #onError: (error: Error) => void;
  #batch = new Batch();
  /** Batches whose memory can be used again. */
  readonly #spare: Batch[] = [];

  constructor(device: GPUDevice, onError: (error: Error) => void) {
    this.#device = device;
    this.#onError = onError;
    this.ring = device.createBuffer({ size: SLOT_BYTES * SLOTS, usage: UNIFORM | COPY_DST });
  }

  record(call: Call, { tensors, u32 = [], f32 = [], grid, flops }: Dispatch): void {
    const batch = this.#batch;
    let at = (batch.slots * SLOT_BYTES) / 4;
    for (const [i, { unit, base }] of call.operands.entries()) batch.u32[at++] = (tensors[i].offset - base) / unit;
    for (const value of u32) batch.u32[at++] = value;
    for (const value of f32) batch.f32[at++] = value;
    batch.commands.push({ call, slot: batch.slots, grid, timed: this.timed });
    batch.slots++;
    batch.flops += flops;
    this.dispatches++;
    if (batch.slots === SLOTS || batch.flops >= this.#flopsPerSubmit) this.close();
  }

  copy(from: GPUBuffer, start: number, to: GPUBuffer, bytes: number): void {
    this.#batch.commands.push({ from, start, to, bytes });
  }

  /** Ends the batch and submits it, now or once its pipelines are compiled. */
  close(): void {
    const batch = this.#batch;
    if (batch.commands.length === 0) return;
    this.#batch = this.#spare.pop() ?? new Batch();
    const compiling = new Set<Promise<void>>();
    for (const command of batch.commands)
      if ("call" in command && command.call.kernel.compiling) compiling.add(command.call.kernel.compiling);
    if (compiling.size === 0 && !this.submitted) this.#submit(batch);
    else this.#enqueue(() => Promise.all(compiling).then(() => this.#submit(batch)));
  }

  /** Runs `action` once everything closed so far is submitted. */
  async after(action: () => void): Promise<void> {
    if (this.submitted) await this.#enqueue(async () => action());
    else action();
  }

  /** Called when the queue is empty: estimates the device's speed from what it held, if that was enough. */
  idle(): void {
    const { flops, since } = this.#pending;
    this.#pending.flops = 0;
    if (flops < this.#flopsPerSubmit / 10) return;
    const seconds = (performance.now() - since) / 1000;
    const measured = (flops / seconds) * SUBMIT_SECONDS;
    this.#flopsPerSubmit = Math.min(4 * this.#flopsPerSubmit, Math.max(this.#flopsPerSubmit / 4, measured));
  }

  #enqueue(action: () => Promise<void>): Promise<void> {
    const done = (this.submitted ?? Promise.resolve()).then(action).catch(this.#onError);
    this.submitted = done;
    done.then(() => {
      if (this.submitted === done) this.submitted = undefined;
    });
    return done;
  }

  #submit(batch: Batch): void {
    const encoder = this.#device.createCommandEncoder();
    let pass: GPUComputePassEncoder | undefined;
    let timedPass: Timed | undefined;
    for (const command of batch.commands) {
      if ("call" in command) {
        const { call, slot, grid, timed } = command;
        if (pass && timed !== timedPass) {
          pass.end();
          pass = undefined;
        }
        timedPass = timed;
        pass ??= encoder.beginComputePass({ timestampWrites: timed?.() });
        pass.setPipeline(call.kernel.pipeline as GPUComputePipeline); // compiled: batches wait for theirs
        pass.setBindGroup(0, call.bindGroup, [slot * SLOT_BYTES]);
        pass.dispatchWorkgroups(...grid);
      } else {
        pass?.end();
        pass = undefined;
        encoder.copyBufferToBuffer(command.from, command.start, command.to, 0, command.bytes);
      }
    }
    pass?.end();
    if (batch.slots > 0) this.#device.queue.writeBuffer(this.ring, 0, batch.parameters, 0, batch.slots * SLOT_BYTES);
    this.#device.queue.submit([encoder.finish()]);
    this.submits++;
    if (this.#pending.flops === 0) this.#pending.since = performance.now();
    this.#pending.flops += batch.flops;
    batch.commands.length = 0;
    batch.slots = 0;
    batch.flops = 0;
    this.#spare.push(batch);
  }
}
