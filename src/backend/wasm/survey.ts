/** Survey of all kernel variants on this machine, for `llm-ts info --system`: speed, correctness and the choice. */
import { BackendError } from "../../errors.ts";
import { problemOfMatmuls, problemOfOthers } from "../check.ts";
import type { Candidate, Survey, ThreadSpeed } from "../entry.ts";
import { choiceKey, keepThreads, keepTile, recallTile } from "./choice-cache.ts";
import { compileCode } from "./code.ts";
import { startBackend, type ThreadConfig, threadConfig } from "./start.ts";
import { tensorLimit } from "./tensor-memory.ts";
import { candidatesOf, fewestOf, timeThreads } from "./thread-trial.ts";
import { bySpeed, timeTiles } from "./trial.ts";
import { type Code, codes, nameOf, tiles } from "./variants.ts";

/** Measures and checks every variant, and caches the fastest as a start does. */
export async function surveyKernels(wanted?: number): Promise<Survey> {
  const config = threadConfig(undefined, wanted);
  const candidates: Candidate[] = [];
  let [chosen, kept]: (string | undefined)[] = [];
  let { threads } = config;
  let threadSpeeds: ThreadSpeed[] | undefined;
  for (const code of codes) {
    const found = await survey(code, config);
    candidates.push(...found.candidates);
    if (chosen !== undefined || found.chosen === undefined) continue;
    ({ chosen, kept } = found);
    if (config.isDefault) ({ threads, threadSpeeds } = await surveyThreads(code, config.threads));
  }
  return { threads, threadSpeeds, memoryLimit: tensorLimit(), candidates, chosen, kept };
}

/** Speeds of one thread and of all numbers to choose from; the choice is cached as a start does. */
async function surveyThreads(
  code: Code,
  cores: number,
): Promise<Pick<Survey, "threads"> & { threadSpeeds: ThreadSpeed[] }> {
  const compiled = await compileCode(code, true);
  if (typeof compiled === "string") throw new BackendError(compiled);
  const candidates = candidatesOf(cores);
  const threadSpeeds = await timeThreads(code, compiled, [...new Set([...candidates, 1])]);
  const threads = fewestOf(threadSpeeds.filter(({ threads }) => candidates.includes(threads)));
  await keepThreads(code, compiled, cores, threads);
  return { threads, threadSpeeds };
}

async function survey(code: Code, config: ThreadConfig): Promise<Pick<Survey, "candidates" | "chosen" | "kept">> {
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
