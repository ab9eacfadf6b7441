/** What the benchmark asks a GPU beside the operations of all backends. */
import type { Backend } from "../backend/backend.ts";
import { WebGpuBackend } from "../backend/webgpu/backend.ts";
import type { Adapter } from "./report.ts";

export function gpuOf(backend: Backend): WebGpuBackend | undefined {
  return backend instanceof WebGpuBackend ? backend : undefined;
}

export function describeAdapter({ adapter, hasTimestamps }: WebGpuBackend): Adapter {
  const { label, driver, fallback } = adapter;
  return { name: label, driver, isSoftware: fallback, hasTimestamps };
}
