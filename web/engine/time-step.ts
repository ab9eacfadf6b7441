import type { Backend } from "../../src/backend/backend.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import { requireMemory } from "../../src/model/memory.ts";
import { syntheticStep } from "../../src/model/synthetic-step.ts";
import { withTensors } from "../../src/model/tensor-scope.ts";
import { TensorSet } from "../../src/model/tensor-set.ts";

/** The shortest step counts, since other programs may be using the machine: of as many as fit this time, one at least. */
const MEASURE_MS = 300;

/**
 * Milliseconds of a training step of a configuration, by making some: the first one, in which pipelines are compiled and
 * fresh memory is touched, does not count. MemoryError when it does not fit beside what the backend holds.
 */
export async function timeStep(backend: Backend, config: GPT2Config, B: number, T: number): Promise<number> {
  requireMemory(backend, config, { optimizer: true, train: { B, T } }, backend.memoryUsed);
  return withTensors(
    backend,
    (at) => new TensorSet(at, config),
    async (weights) => {
      const step = await syntheticStep({ backend, parameters: { config, weights } }, B, T);
      const timed = async () => {
        const start = performance.now();
        step.run();
        await backend.read(step.stats);
        return performance.now() - start;
      };
      try {
        await timed();
        let best = await timed();
        for (let spent = best; spent < MEASURE_MS; ) {
          const ms = await timed();
          best = Math.min(best, ms);
          spent += ms;
        }
        return best;
      } finally {
        await step.free();
      }
    },
  );
}
