/** All backends by name. The implementation of one is imported when it is created. */
import { BackendError, shown, UsageError } from "../errors.ts";
import { requireOptions, requireType } from "../option-names.ts";
import type { Backend } from "./backend.ts";
import {
  type BackendEntry,
  type BackendOptions,
  type BlasCandidate,
  backendOptionNames,
  type Processor,
  type Survey,
} from "./entry.ts";
import { reference } from "./reference/entry.ts";
import { wasm } from "./wasm/entry.ts";
import { webgpu } from "./webgpu/entry.ts";

/** The first is the default. */
const entries = [wasm, webgpu, reference] as const;

export type BackendName = (typeof entries)[number]["name"];
/** A kernel of any backend. */
export type KernelName = (typeof entries)[number]["kernels"][number];

export const backends: readonly (BackendEntry & { readonly name: BackendName })[] = entries;
export const backendNames = entries.map(({ name }) => name);
export const defaultBackend: BackendName = entries[0].name;
/** Names of the BLAS libraries that are known, besides "auto" and "none". */
export const blasNames: readonly string[] = entries[0].blas.names;
export const kernelNames: readonly KernelName[] = entries.flatMap(({ kernels }): readonly KernelName[] => kernels);

/** True if a backend can be used on this machine, else the reason. */
export interface Availability {
  readonly name: BackendName;
  readonly available: boolean;
  readonly reason?: string;
  /** Facts about its device. */
  readonly details?: string;
  /** The processor whose speed it uses; absent: slow, to compare others with. */
  readonly processor?: Processor;
}

export function availableBackends(options?: BackendOptions): Promise<Availability[]> {
  return Promise.all(
    backends.map(async ({ name, processor, available, describe }) => {
      const found = await available(options);
      if (found !== true) return { name, processor, available: false, reason: found };
      return { name, processor, available: true, ...(describe && { details: await describe(options) }) };
    }),
  );
}

/** The backend called `name`. UsageError for an unknown name or option, BackendError where it is not available. */
export async function createBackend(name: string = defaultBackend, options: BackendOptions = {}): Promise<Backend> {
  const entry = backends.find((entry) => entry.name === name);
  if (!entry) throw new UsageError(`There is no backend ${shown(name)}. Choose one of: ${backendNames.join(", ")}.`);
  requireOptions("createBackend", options, backendOptionNames);
  const { blas = "none", shared, revectorize, fallbackAdapter, wasmMemory, onStart } = options;
  requireType("boolean", { shared, revectorize, fallbackAdapter });
  requireType("function", { onStart });
  if (wasmMemory !== undefined && !(Number.isSafeInteger(wasmMemory) && wasmMemory >= 0))
    throw new UsageError(`wasmMemory is ${shown(wasmMemory)}, expected a whole number of bytes, 0 or more.`);
  if (typeof blas !== "string" || blas === "")
    throw new UsageError(`blas is ${shown(blas)}, expected none, auto, ${blasNames.join(", ")} or a library's path.`);
  if (blas !== "none" && !entry.blas)
    throw new UsageError(
      `The backend ${name} uses no BLAS: leave ${blas} out, or choose the backend ${defaultBackend}.`,
    );
  requireOwnKernel(entry, options);
  const available = await entry.available(options);
  if (available === true) return entry.create(options);
  const others = (await availableBackends()).filter(({ available }) => available).map(({ name }) => name);
  throw new BackendError(`The backend ${name} is not available here: ${available}. Available: ${others.join(", ")}.`);
}

/** UsageError for what is given as a backend and is none, such as the promise of one. */
export function requireBackend(backend: Backend): void {
  if (typeof backend === "object" && backend !== null && typeof backend.alloc === "function") return;
  throw new UsageError(
    `backend is ${shown(backend)}, expected ${backendNames.join(", ")} or a Backend, as await createBackend gives it.`,
  );
}

/** UsageError for a kernel that another backend has. */
function requireOwnKernel({ name, kernels }: BackendEntry, { kernel = "auto" }: BackendOptions): void {
  const owner = backends.find((other) => other.kernels.includes(kernel));
  if (owner && owner.name !== name && kernels.length > 0)
    throw new UsageError(
      `The kernel ${kernel} is one of the ${owner.name} backend, and ${name} was chosen. Choose the backend ${owner.name}, or auto ` +
        "as the kernel.",
    );
}

/** Measures and checks the default backend's kernels, and caches the fastest; undefined where it is not available. */
export async function surveyKernels(): Promise<Survey | undefined> {
  return (await entries[0].available()) === true ? entries[0].survey() : undefined;
}

/** Tries and times the BLAS libraries that the default backend knows by name, and caches the result. */
export async function surveyBlas(options: BackendOptions = {}): Promise<readonly BlasCandidate[]> {
  return (await entries[0].available()) === true ? entries[0].blas.survey(options) : [];
}

/** The BLAS libraries that were measured on this machine in the last month. */
export function recallBlas(options: BackendOptions = {}): Promise<readonly BlasCandidate[]> {
  return entries[0].blas.recall(options);
}

/** Validates the name of a kernel, or "auto". UsageError for an unknown one. */
export function kernelNamed(name: string): KernelName | "auto" {
  const kernel = (["auto", ...kernelNames] as const).find((known) => known === name);
  if (kernel) return kernel;
  throw new UsageError(`There is no kernel "${name}". Choose auto, or one of: ${kernelNames.join(", ")}.`);
}
