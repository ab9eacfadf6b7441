import { UsageError } from "../errors.ts";
import type { Backend } from "./backend.ts";
import { createReferenceBackend } from "./reference/reference.ts";
import { createWasmBackend, type WasmBackendOptions } from "./wasm/create.ts";

export const backendNames = ["wasm", "reference"] as const;

export type BackendName = (typeof backendNames)[number];

/** The backend called `name`; the options are the wasm backend's. UsageError for a name or a number that cannot be. */
export async function createBackend(name: string = "wasm", options: WasmBackendOptions = {}): Promise<Backend> {
  if (name === "wasm") return createWasmBackend(options);
  if (name === "reference") {
    if ((options.kernel ?? "auto") !== "auto")
      throw new UsageError(`The reference backend has no kernels to choose from: leave ${options.kernel} out.`);
    return createReferenceBackend();
  }
  throw new UsageError(`There is no backend "${name}". Choose one of: ${backendNames.join(", ")}.`);
}
