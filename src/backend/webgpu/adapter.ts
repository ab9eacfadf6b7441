/** Search for an adapter, and for the reason why there is none. */
import { platform } from "#platform";
import { BackendError } from "../../errors.ts";
import type { BackendOptions } from "../entry.ts";
import {
  isHalf,
  isMatrix,
  isOptional,
  type MatrixTileName,
  type OptionalTileName,
  type TileName,
} from "./tile-names.ts";
import { type MatrixUnit, SUBGROUPS } from "./wgsl/multiply.ts";

/** The limits that matter, of which a device gets as much as its adapter has. */
const raised = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxStorageBuffersPerShaderStage",
] as const;

/** Features that are used where the adapter has them: timestamps by `llm-ts bench --profile`. */
const optional = ["timestamp-query"] as const;

const MATRICES = "chromium-experimental-subgroup-matrix";

/** Features that optional tiles need. */
const featuresOf: Readonly<Record<OptionalTileName, readonly string[]>> = {
  "64x64-f16": ["shader-f16"],
  "matrix-f16": ["shader-f16", "subgroups", MATRICES],
  "matrix-f32": ["subgroups", MATRICES],
};

export type Limits = Readonly<Record<(typeof raised)[number], number>>;

/** An adapter with its device. */
export interface OpenAdapter {
  readonly device: GPUDevice;
  readonly limits: Limits;
  readonly features: readonly string[];
  /** Its name, for people: "NVIDIA H200 (nvidia, hopper)". */
  readonly label: string;
  /** Name and version of the driver, where the browser discloses them. */
  readonly driver: string;
  /** Software on the CPU. */
  readonly fallback: boolean;
  /** The size of its matrices, where the device was opened for a tile of them. */
  readonly matrixUnit?: MatrixUnit;
}

/** What Chromium adds to the facts about an adapter with subgroup matrices. */
interface MatrixConfiguration {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** Limits that kernels need: those that WebGPU guarantees, which a compatibility-mode adapter may lack. */
const needed = { maxStorageBuffersPerShaderStage: 8, maxComputeInvocationsPerWorkgroup: 256 } as const;

/** The adapter that would be used, or the reason for a missing one: a phrase for people. */
export async function findAdapter(options: Pick<BackendOptions, "fallbackAdapter"> = {}): Promise<GPUAdapter | string> {
  const gpu = await platform.gpu.open();
  if (typeof gpu === "string") return gpu;
  let adapter: GPUAdapter | null;
  try {
    adapter = await (gpu as GPU).requestAdapter({ powerPreference: "high-performance" });
  } catch (error) {
    return `asking for a GPU failed: ${String(error)}`;
  }
  if (!adapter) return platform.gpu.problem();
  if (adapter.info.isFallbackAdapter && !(options.fallbackAdapter ?? platform.gpu.allowsFallback))
    return (
      `there is only ${labelOf(adapter.info)}, software on the CPU, which is slower than the wasm backend. ` +
      "To use it all the same, for tests, set LLM_TS_FALLBACK_ADAPTER=1 (in a program: fallbackAdapter: true)"
    );
  for (const [name, least] of Object.entries(needed)) {
    const found = adapter.limits[name as keyof typeof needed];
    if (found < least) return `${labelOf(adapter.info)} has a ${name} of ${found}, and ${least} are needed`;
  }
  return adapter;
}

/** An adapter gives one device: each backend opens its own. BackendError where there is none, or none for `tile`. */
export async function openAdapter(
  options: Pick<BackendOptions, "fallbackAdapter"> = {},
  tile?: TileName,
): Promise<OpenAdapter> {
  const adapter = await findAdapter(options);
  if (typeof adapter === "string") throw new BackendError(`The webgpu backend cannot be used here: ${adapter}.`);
  const limits = Object.fromEntries(raised.map((name) => [name, adapter.limits[name]])) as Limits;
  const { features, matrixUnit } = tile && isOptional(tile) ? requireTile(adapter, tile) : { features: [] };
  const requiredFeatures = [...optional, ...features].filter((name) => adapter.features.has(name)) as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredLimits: limits, requiredFeatures });
  const { info } = adapter;
  return {
    device,
    limits,
    features: [...adapter.features].sort(),
    label: labelOf(info),
    driver: info.description,
    fallback: info.isFallbackAdapter,
    matrixUnit,
  };
}

/** What an adapter has for a tile. BackendError, with what is lacking, for one that cannot compute it. */
function requireTile(
  adapter: GPUAdapter,
  tile: OptionalTileName,
): { features: readonly string[]; matrixUnit?: MatrixUnit } {
  const features = featuresOf[tile];
  const refuse = (...lacking: readonly string[]) => {
    throw new BackendError(
      `${labelOf(adapter.info)} has no ${lacking.join(", no ")}, which the kernel ${tile} needs. Choose another one, or ` +
        "auto, the default.",
    );
  };
  const lacking = features.filter((feature) => !adapter.features.has(feature));
  if (lacking.length > 0) refuse(...lacking);
  if (!isMatrix(tile)) return { features };
  const matrixUnit = matrixUnitOf(adapter, tile);
  if (!matrixUnit) refuse(`subgroup matrices of ${isHalf(tile) ? "f16" : "f32"} with sums in f32`);
  return { features, matrixUnit };
}

/** The largest matrices of the adapter with sums in float32; undefined where there are none. */
function matrixUnitOf({ info, limits }: GPUAdapter, tile: MatrixTileName): MatrixUnit | undefined {
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: Iterable<MatrixConfiguration> };
  const elements = isHalf(tile) ? "f16" : "f32";
  const units = [...subgroupMatrixConfigs]
    .filter(({ componentType, resultComponentType: sums }) => componentType === elements && sums === "f32")
    .map(({ M, N, K }) => ({ M, N, K, lanes: info.subgroupMaxSize }))
    .filter(({ lanes }) => SUBGROUPS * lanes <= limits.maxComputeInvocationsPerWorkgroup);
  return units.sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K)[0];
}

/** BackendError with the adapter's name for a problem that its self-check found. */
export function requireRight(
  { label, driver }: Pick<OpenAdapter, "label" | "driver">,
  ...problems: readonly (string | undefined)[]
): void {
  const problem = problems.find((one) => one !== undefined);
  if (problem === undefined) return;
  throw new BackendError(
    `${label} computes wrong: ${problem}. Update its driver (now ${driver || "unknown"}), or use another backend.`,
  );
}

function labelOf({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const name = device || description || "a GPU";
  const family = [vendor, architecture].filter((word) => word && !name.toLowerCase().includes(word.toLowerCase()));
  return family.length > 0 ? `${name} (${family.join(", ")})` : name;
}

/** Features that kernels or profiles use. */
const features = ["shader-f16", "subgroups", MATRICES, "timestamp-query"];

/** Name, driver, limits and features of an adapter, in words. */
export function factsOf({ info, limits, features: found }: GPUAdapter): string {
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = limits;
  const mebibytes = (bytes: number) => `${Math.floor(bytes / 2 ** 20).toLocaleString("en-US")} MiB`;
  return [
    labelOf(info),
    info.description,
    `buffers of ${mebibytes(maxBufferSize)}, bound by ${mebibytes(maxStorageBufferBindingSize)}`,
    `${maxComputeWorkgroupStorageSize / 1024} KiB of workgroup memory`,
    ...features.filter((name) => found.has(name as GPUFeatureName)),
  ]
    .filter((fact) => fact)
    .join(", ");
}
