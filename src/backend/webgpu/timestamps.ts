/** Times of the GPU's own, by timestamp queries: a pair around every compute pass that is measured. */
import { platform } from "#platform";

const MAP_READ = 0x1;
const COPY_SRC = 0x4;
const COPY_DST = 0x8;
const QUERY_RESOLVE = 0x200;

/** Queries that a set holds at most. */
const MOST = 4096;
/** Bytes of a timestamp, in nanoseconds. */
const BYTES = 8;

export class Timestamps {
  readonly #device: GPUDevice;
  readonly #queries: GPUQuerySet;
  /** For each pass, what was measured in it: passes of the same index are added up. */
  readonly #passes: number[] = [];

  /** Needs a device with the feature timestamp-query. */
  constructor(device: GPUDevice) {
    this.#device = device;
    this.#queries = device.createQuerySet({ type: "timestamp", count: MOST });
  }

  /** For the descriptor of a pass in which `index` is measured. Passes beyond the 2048th are refused. */
  nextPass(index: number): GPUComputePassTimestampWrites {
    const first = 2 * (this.#passes.push(index) - 1);
    if (first + 2 > MOST) throw new Error(`more than ${MOST / 2} passes are measured`);
    return { querySet: this.#queries, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  /** Milliseconds of the indices 0 … count-1, once their passes are submitted. The set cannot be used afterwards. */
  async read(count: number): Promise<number[]> {
    const ms = Array.from({ length: count }, () => 0);
    const size = 2 * BYTES * this.#passes.length;
    if (size === 0) return ms;
    const resolved = this.#device.createBuffer({ size, usage: QUERY_RESOLVE | COPY_SRC });
    const staging = this.#device.createBuffer({ size, usage: MAP_READ | COPY_DST });
    const encoder = this.#device.createCommandEncoder();
    encoder.resolveQuerySet(this.#queries, 0, 2 * this.#passes.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    this.#device.queue.submit([encoder.finish()]);
    await platform.gpu.wait(staging.mapAsync(MAP_READ));
    const times = new BigInt64Array(staging.getMappedRange());
    // Clocks may be reset between the two: then the difference is negative, and says nothing.
    for (const [pass, index] of this.#passes.entries())
      ms[index] += Math.max(0, Number(times[2 * pass + 1] - times[2 * pass])) / 1e6;
    staging.unmap();
    for (const used of [staging, resolved, this.#queries]) used.destroy();
    return ms;
  }
}
