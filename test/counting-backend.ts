import type { DType, Tensor } from "../src/backend/backend.ts";
import { ReferenceBackend } from "../src/backend/reference/reference.ts";

/** The reference backend, with a memory limit to set; it counts what is allocated and given back. */
export class CountingBackend extends ReferenceBackend {
  override memoryLimit: number = Number.MAX_SAFE_INTEGER;
  allocations = 0;
  /** Held at the moment. */
  bytes = 0;

  override alloc(shape: readonly number[], dtype?: DType): Tensor {
    const tensor = super.alloc(shape, dtype);
    this.allocations++;
    this.bytes += tensor.buffer.bytes;
    return tensor;
  }

  override async free(tensor: Tensor): Promise<void> {
    this.bytes -= tensor.buffer.bytes;
    await super.free(tensor);
  }
}
