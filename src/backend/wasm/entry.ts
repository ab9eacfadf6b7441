import type { BackendEntry } from "../entry.ts";
import { variantNames } from "./variants.ts";

/** WebAssembly kernels on the threads of this machine's processor. */
export const wasm = {
  name: "wasm",
  kernels: variantNames,
  async available() {
    const { problemOfPlain } = await import("./create.ts");
    return (await problemOfPlain()) ?? true;
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
