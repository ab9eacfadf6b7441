/** What every variant of the kernels makes of this machine: for people who want to know why it is as fast as it is. */
import { BackendError } from "../../errors.ts";
import { problemOfOthers, problemOfProducts } from "../check.ts";
import type { Candidate, Survey } from "../entry.ts";
import { choiceKey, keepTile, recallTile } from "./choice-cache.ts";
import { compileCode } from "./code.ts";
import { MEMORY_LIMIT } from "./memory.ts";
import { type Place, placeOf, startBackend } from "./start.ts";
import { bySpeed, timeTiles } from "./trial.ts";
import { type Code, codes, nameOf, tiles } from "./variants.ts";

/** Measures and checks every variant, and keeps what was fastest for later starts. */
export async function surveyKernels(threads?: number): Promise<Survey> {
  const place = placeOf(undefined, threads);
  const candidates: Candidate[] = [];
  let [chosen, kept]: (string | undefined)[] = [];
  for (const code of codes) {
    const found = await survey(code, place);
    candidates.push(...found.candidates);
    if (chosen === undefined) ({ chosen, kept } = found);
  }
  return { threads: place.threads, memoryLimit: MEMORY_LIMIT, candidates, chosen, kept };
}

async function survey(code: Code, place: Place): Promise<Omit<Survey, "threads" | "memoryLimit">> {
  const allOut = (problem: string) => ({
    candidates: tiles.map((tile) => ({ kernel: nameOf({ ...code, tile }), problem })),
  });
  const compiled = await compileCode(code, place.shared);
  if (typeof compiled === "string") return allOut(compiled);
  const backend = await startBackend({ ...code, tile: tiles[0] }, compiled, place);
  try {
    const key = choiceKey(code, compiled);
    const known = await recallTile(key);
    const speeds = await timeTiles(backend);
    const problem = await problemOfOthers(backend);
    const candidates: Candidate[] = [];
    for (const tile of tiles) {
      backend.useTile(tile);
      candidates.push({
        kernel: backend.kernel,
        gflops: speeds[tile],
        problem: problem ?? (await problemOfProducts(backend)),
      });
    }
    const best = bySpeed(speeds).find((tile) => candidates[tiles.indexOf(tile)].problem === undefined);
    if (best !== undefined) await keepTile(key, best);
    return {
      candidates,
      chosen: best && nameOf({ ...code, tile: best }),
      kept: known && nameOf({ ...code, tile: known }),
    };
  } catch (error) {
    if (error instanceof BackendError) return allOut(error.message);
    throw error;
  } finally {
    await backend.dispose();
  }
}
