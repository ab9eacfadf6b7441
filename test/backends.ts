import { backendNames } from "../src/backend/registry.ts";

/** The backends that are everywhere. Of webgpu the same is tested in src/backend/webgpu/, where there is an adapter. */
export const cpuBackends = backendNames.filter((name) => name !== "webgpu");
