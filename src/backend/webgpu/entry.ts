import { precisions } from "../backend.ts";
import type { BackendEntry } from "../entry.ts";
import { tileNames } from "./tile-names.ts";

/** The GPU, through WebGPU: a browser's own, or in Node that of the optional package `webgpu`. */
export const webgpu = {
  name: "webgpu",
  kernels: tileNames,
  precisions,
  async available(options) {
    const { problemOfAdapter } = await import("./create.ts");
    return (await problemOfAdapter(options)) ?? true;
  },
  async describe() {
    const { describeAdapter } = await import("./create.ts");
    return describeAdapter();
  },
  async create(options) {
    const { createWebGpuBackend } = await import("./create.ts");
    return createWebGpuBackend(options);
  },
} as const satisfies BackendEntry;
