import { weightTypes } from "../backend.ts";
import type { BackendEntry } from "../entry.ts";
import { blasNames } from "./blas-names.ts";
import { variantNames } from "./variants.ts";

/** WebAssembly kernels on the threads of this machine's processor. */
export const wasm = {
  name: "wasm",
  kernels: variantNames,
  precisions: ["fp32"],
  weightTypes,
  processor: "CPU",
  async available() {
    const { problemOfEngine } = await import("./code.ts");
    return problemOfEngine() ?? true;
  },
  async create(options) {
    const { createWasmBackend } = await import("./create.ts");
    return createWasmBackend(options);
  },
  blas: {
    names: blasNames,
    async survey(options) {
      const { surveyBlas } = await import("./blas-choice.ts");
      return surveyBlas(options);
    },
    async recall(options) {
      const { recallBlas } = await import("./blas-choice.ts");
      return recallBlas(options);
    },
  },
  async survey() {
    const { surveyKernels } = await import("./survey.ts");
    return surveyKernels();
  },
} as const satisfies BackendEntry;
