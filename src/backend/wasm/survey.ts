/** Survey of all kernel variants on this machine, for `llm-ts info --system`: speed, correctness and the choice. */
import { BackendError } from "../../errors.ts";
import { problemOfMatmuls, problemOfOthers } from "../check.ts";
import type { Candidate, Survey } from "../entry.ts";
import { choiceKey, keepTile, recallTile } from "./choice-cache.ts";
import { compileCode } from "./code.ts";
import { MEMORY_LIMIT } from "./memory.ts";
import { startBackend, type ThreadConfig, threadConfig } from "./start.ts";
import { bySpeed, timeTiles } from "./trial.ts";
import { type Code, codes, nameOf, tiles } from "./variants.ts";

/** Measures and checks every variant, and caches the fastest for later starts. */
export async function surveyKernels(threads?: number): Promise<Survey> {
  const config = threadConfig(undefined, threads);
  const candidates: Candidate[] = [];
  let [chosen, kept]: (string | undefined)[] = [];
  for (const code of codes) {
    const found = await survey(code, config);
    candidates.push(...found.candidates);
    if (chosen === undefined) ({ chosen, kept } = found);
  }
  return { threads: config.threads, memoryLimit: MEMORY_LIMIT, candidates, chosen, kept };
}

async function survey(code: Code, config: ThreadConfig): Promise<Omit<Survey, "threads" | "memoryLimit">> {
  const allOut = (problem: string) => ({
    candidates: tiles.map((tile) => ({ kernel: nameOf({ ...code, tile }), problem })),
  });
  const compiled = await compileCode(code, config.shared);
  if (typeof compiled === "string") return allOut(compiled);
  const backend = await startBackend({ ...code, tile: tiles[0] }, compiled, config);
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
        problem: problem ?? (await problemOfMatmuls(backend)),
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
