import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bits, readSet } from "../../test/fixtures.ts";
import { localGroup } from "../../test/local-group.ts";
import { writeTokens } from "../../test/run-cli.ts";
import { createBackend } from "../backend/registry.ts";
import { makeConfig } from "../model/config.ts";
import { requireSameRun, startTogether } from "./group-start.ts";
import { prepareRun, type RunHost, type RunRequest } from "./start.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-"));
const [train, other] = ["train.bin", "other.bin"].map((name) => join(folder, name));
beforeAll(() => {
  writeTokens(train, 500, 50);
  writeTokens(other, 500, 49);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const given = { batch: 2, block: 8, steps: 3 };
const request: RunRequest = {
  model: { name: "tiny", config: makeConfig({ maxT: 16, V: 50, L: 1, NH: 2, C: 8 }) },
  data: { name: "tokens", train },
  given,
  choices: given,
  isKept: false,
};

const problems = async (work: (rank: number) => Promise<unknown>) =>
  (await Promise.allSettled([0, 1].map(work))).map((result) =>
    result.status === "rejected" ? result.reason.message : "",
  );

test("all members start with rank 0's weights", async () => {
  const weights = await Promise.all(
    localGroup(3).map(async (group) => {
      const backend = await createBackend("reference");
      const host: RunHost = { backend, out: undefined, cwd: folder, onProgress: () => {}, remark: () => {} };
      const { trainer } = await startTogether(await prepareRun(request, group), host, false);
      return bits(await readSet(backend, trainer.model.parameters.weights));
    }),
  );
  expect(weights[1]).toBe(weights[0]);
  expect(weights[2]).toBe(weights[0]);
});

test("data that differs is named, in all members", async () => {
  const groups = localGroup(2);
  const found = await problems(async (rank) => {
    const data = { name: "tokens", train: rank === 0 ? train : other };
    await requireSameRun(await prepareRun({ ...request, data }, groups[rank]));
  });
  expect(found[0]).toMatch(/^\[rank 1 of 2 on here\] The data is not that of rank 0 .*other\.bin has other content/);
  expect(found[1]).toBe(found[0]);
});
