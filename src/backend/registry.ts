/** All backends there are. What implements one is imported when it is asked for. */
import { UsageError } from "../errors.ts";
import type { Backend } from "./backend.ts";
import type { BackendEntry, BackendOptions, Survey } from "./entry.ts";
import { reference } from "./reference/entry.ts";
import { wasm } from "./wasm/entry.ts";

/** The first is the default. */
const entries = [wasm, reference] as const;

export type BackendName = (typeof entries)[number]["name"];
/** A kernel that some backend has. */
export type KernelName = (typeof entries)[number]["kernels"][number];

export const backends: readonly (BackendEntry & { readonly name: BackendName })[] = entries;
export const backendNames = entries.map(({ name }) => name);
export const defaultBackend: BackendName = entries[0].name;
export const kernelNames: readonly KernelName[] = entries.flatMap(({ kernels }) => kernels);

/** The backend called `name`. UsageError for a name or an option that cannot be, BackendError if it cannot be had here. */
export async function createBackend(name: string = defaultBackend, options: BackendOptions = {}): Promise<Backend> {
  const entry = backends.find((entry) => entry.name === name);
  if (!entry) throw new UsageError(`There is no backend "${name}". Choose one of: ${backendNames.join(", ")}.`);
  return entry.create(options);
}

/** What the default backend's kernels are worth here: measures them all, and keeps what was fastest for later starts. */
export function surveyKernels(): Promise<Survey> {
  return entries[0].survey();
}

/** `name` as a kernel's, or "auto"; UsageError where no backend has it. */
export function kernelNamed(name: string): KernelName | "auto" {
  const kernel = (["auto", ...kernelNames] as const).find((known) => known === name);
  if (kernel) return kernel;
  throw new UsageError(`There is no kernel "${name}". Choose auto, or one of: ${kernelNames.join(", ")}.`);
}
