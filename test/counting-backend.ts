import { type BackendLimits, type DType, elementBytes, type Tensor } from "../src/backend/backend.ts";
import { ReferenceBackend } from "../src/backend/reference/reference.ts";

/** The reference backend with settable limits of memory; counts allocations and frees. */
export class CountingBackend extends ReferenceBackend {
  override limits: BackendLimits = { total: Number.MAX_SAFE_INTEGER, buffer: Number.MAX_SAFE_INTEGER, alignment: 4 };
  memoryAvailable: number | undefined;
  allocations = 0;
  /** Held at the moment, as a device that has 16-bit memory would. */
  bytes = 0;

  get memoryLimit(): number {
    return this.limits.total;
  }

  set memoryLimit(total: number) {
    this.limits = { ...this.limits, total };
  }

  override alloc(shape: readonly number[], dtype?: DType): Tensor {
    const tensor = super.alloc(shape, dtype);
    this.allocations++;
    this.bytes += tensor.size * elementBytes[tensor.dtype];
    return tensor;
  }

  override async free(tensor: Tensor): Promise<void> {
    this.bytes -= tensor.size * elementBytes[tensor.dtype];
    await super.free(tensor);
  }
}
