import type { BackendEntry } from "../entry.ts";
import { variantNames } from "./variants.ts";

/** WebAssembly kernels on the threads of this machine's processor. */
export const wasm = {
  name: "wasm",
  kernels: variantNames,
  precisions: ["fp32"],
  async available() {
    const { problemOfEngine } = await import("./code.ts");
    return problemOfEngine() ?? true;
  },
  async create(options) {
    const { createWasmBackend } = await import("./create.ts");
    return createWasmBackend(options);
  },
  async survey() {
    const { surveyKernels } = await import("./survey.ts");
    return surveyKernels();
  },
} as const satisfies BackendEntry;
