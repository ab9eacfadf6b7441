import { precisions } from "../backend.ts";
import type { BackendEntry } from "../entry.ts";
import { allTileNames } from "./tile-names.ts";

/** The GPU, through WebGPU: a browser's own, or in Node that of the optional package `webgpu`. */
export const webgpu = {
  name: "webgpu",
  kernels: allTileNames,
  precisions,
  weightTypes: ["f32", "bf16"],
  processor: "GPU",
  async available(options) {
    const { findAdapter } = await import("./adapter.ts");
    const found = await findAdapter(options);
    return typeof found === "string" ? found : true;
  },
  async describe(options) {
    const { factsOf, findAdapter } = await import("./adapter.ts");
    const found = await findAdapter(options);
    return typeof found === "string" ? found : factsOf(found);
  },
  async create(options) {
    const { createWebGpuBackend } = await import("./create.ts");
    return createWebGpuBackend(options);
  },
} as const satisfies BackendEntry;
