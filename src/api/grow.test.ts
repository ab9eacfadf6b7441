import { expect, test } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { UsageError } from "../errors.ts";
import { makeConfig, usualConfig } from "../model/config.ts";
import { GPT2 } from "./gpt2.ts";

const path = fixturePath("gpt2_tiny.bin");

test.each([1, 3, 200])("%s tokens more begin as the mean of the others", async (more) => {
  await using before = await GPT2.load(path, { backend: "reference" });
  const { V, C } = before.config;
  await using after = await GPT2.load(path, { backend: "reference", vocabSize: V + more });
  const { Vp } = makeConfig({ ...before.config, ...usualConfig({ V: V + more, C }), V: V + more });
  expect(after.config).toEqual({ ...before.config, V: V + more, Vp });
  const [old, grown] = await Promise.all(
    [before, after].map(async ({ backend, parameters }) => backend.read(parameters.weights.wte)),
  );
  expect(grown.subarray(0, V * C)).toEqual(old.subarray(0, V * C));
  const mean = Float32Array.from({ length: C }, (_, c) => {
    let sum = 0;
    for (let v = 0; v < V; v++) sum += old[v * C + c];
    return sum / V;
  });
  for (let v = V; v < V + more; v++) expect(grown.subarray(v * C, (v + 1) * C)).toEqual(mean);
  expect(grown.subarray((V + more) * C).every((value) => value === 0)).toBe(true);
  const [wpe, other] = await Promise.all(
    [before, after].map(async ({ backend, parameters: { weights } }) => backend.read(weights.lnf.weight)),
  );
  expect(other).toEqual(wpe);
});

test("a vocabulary does not shrink", async () => {
  await expect(GPT2.load(path, { backend: "reference", vocabSize: 5 })).rejects.toThrow(UsageError);
});
