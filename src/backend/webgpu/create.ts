import { UsageError } from "../../errors.ts";
import type { Backend } from "../backend.ts";
import { problemOfMatmuls, problemOfOthers } from "../check.ts";
import type { BackendOptions } from "../entry.ts";
import { openAdapter, requireRight } from "./adapter.ts";
import { WebGpuBackend } from "./backend.ts";
import { type TileName, tileNames } from "./tile-names.ts";
import { chooseTiles } from "./tile-trial.ts";

/** A backend on the adapter that the system prefers, once it has computed some operations right. */
export async function createWebGpuBackend(options: BackendOptions): Promise<Backend> {
  const { kernel = "auto", fallbackAdapter, onStart } = options;
  const tile = tileNamed(kernel);
  const backend = new WebGpuBackend(await openAdapter({ fallbackAdapter }), tile);
  try {
    // Together, so that all kernels are compiled side by side.
    const problems = await Promise.all([problemOfMatmuls(backend), problemOfOthers(backend)]);
    requireRight(backend.adapter, ...problems);
    // Software is for tests, and takes a minute to compile and time all tiles.
    if (tile === undefined && !backend.adapter.fallback) backend.tiles = await chooseTiles(backend, { onStart });
    return backend;
  } catch (error) {
    await backend.dispose();
    throw error;
  }
}

function tileNamed(kernel: string): TileName | undefined {
  const tile = tileNames.find((name) => name === kernel);
  if (tile === undefined && kernel !== "auto")
    throw new UsageError(
      `The webgpu backend has no kernel "${kernel}". Choose auto, or one of: ${tileNames.join(", ")}.`,
    );
  return tile;
}
