import { UsageError } from "../../errors.ts";
import type { Backend } from "../backend.ts";
import { problemOfMatmuls, problemOfOthers } from "../check.ts";
import type { BackendOptions } from "../entry.ts";
import { openAdapter, requireRight } from "./adapter.ts";
import { WebGpuBackend } from "./backend.ts";
import { allTileNames, type TileName } from "./tile-names.ts";
import { FirstStart, keepTiles, recallTiles, type TrialOptions, timeTiles } from "./tile-trial.ts";
import type { TileChoice } from "./tiles.ts";

/** A backend on the adapter that the system prefers, once it has computed some operations right. */
export async function createWebGpuBackend(options: BackendOptions): Promise<Backend> {
  const { kernel = "auto", fallbackAdapter, onStart } = options;
  const tile = tileNamed(kernel);
  const backend = new WebGpuBackend(await openAdapter({ fallbackAdapter }, tile), tile);
  try {
    // Software is for tests, and takes a minute to compile and time all tiles.
    if (tile !== undefined || backend.adapter.fallback) await checkOperations(backend);
    else await chooseTiles(backend, { onStart });
    return backend;
  } catch (error) {
    await backend.dispose();
    throw error;
  }
}

/** Checks the operations, and takes the tiles that an earlier start found fastest here, else those that are now. */
export async function chooseTiles(
  backend: WebGpuBackend,
  { onStart, ...trial }: Pick<BackendOptions, "onStart"> & Pick<TrialOptions, "shapes" | "tiles">,
): Promise<TileChoice> {
  const kept = await recallTiles(backend);
  const progress = kept ? undefined : new FirstStart(onStart);
  progress?.begin("checking the operations");
  await checkOperations(backend);
  const choice = kept ?? (await timeTiles(backend, { ...trial, progress }));
  if (!kept) await keepTiles(backend, choice);
  progress?.end();
  backend.tiles = choice;
  return choice;
}

async function checkOperations(backend: WebGpuBackend): Promise<void> {
  // Together, so that all kernels are compiled side by side.
  requireRight(backend.adapter, ...(await Promise.all([problemOfMatmuls(backend), problemOfOthers(backend)])));
}

function tileNamed(kernel: string): TileName | undefined {
  const tile = allTileNames.find((name) => name === kernel);
  if (tile === undefined && kernel !== "auto")
    throw new UsageError(
      `The webgpu backend has no kernel "${kernel}". Choose auto, or one of: ${allTileNames.join(", ")}.`,
    );
  return tile;
}
