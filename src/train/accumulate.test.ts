import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cpuBackends } from "../../test/backends.ts";
import { collect, fixturePath } from "../../test/fixtures.ts";
import { writeTokens } from "../../test/run-cli.ts";
import { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { TokenLoader } from "../data/loader.ts";
import { Trainer } from "./trainer.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-"));
const file = join(folder, "train.bin");
beforeAll(() => writeTokens(file, 2000, 101));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(cpuBackends)("%s", (name) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend(name, { threads: 2 });
  });
  afterAll(() => backend.dispose());

  /** Loss and norm of each of `steps` updates of `accumulate` batches of `B` rows. */
  async function run(B: number, accumulate: number, steps = 8) {
    const model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
    const loader = await TokenLoader.open(file, { B, T: 8 });
    const trainer = new Trainer(model, { learningRate: 1e-3, weightDecay: 0.1, gradClip: 1, accumulate });
    const events = await collect(trainer.run(loader, { steps, sampleEvery: 0 }));
    const position = loader.position();
    await trainer.dispose();
    await model.dispose();
    await loader.close();
    const numbers = events.flatMap((event) => (event.type === "step" ? [event.loss, event.norm] : []));
    return { numbers, position };
  }

  test("accumulating batches is training on one large batch", async () => {
    const whole = await run(6, 1);
    for (const [B, accumulate] of [
      [3, 2],
      [2, 3],
      [1, 6],
    ]) {
      const parts = await run(B, accumulate);
      // The sums over 48 rows are rounded in another order: each loss, and each gradient where it is not nearly nothing,
      // may be off by a few units of 2^-24. AdamW keeps that relative error, and eight updates of 1e-3 bring it into the
      // losses thousandfold smaller. So 16 units, or 1e-6, are enough; a wrong weight or a lost batch is off by 1e-3.
      for (const [i, value] of parts.numbers.entries())
        expect(Math.abs(value / whole.numbers[i] - 1)).toBeLessThan(1e-6);
    }
  });

  test("every step uses up `accumulate` batches, and no more", async () => {
    expect((await run(2, 3, 4)).position).toEqual({ order: "file", shard: 0, sample: 12 });
  });
});
