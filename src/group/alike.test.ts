import { expect, test } from "vitest";
import { localGroup } from "../../test/local-group.ts";
import { createBackend } from "../backend/registry.ts";
import { requireAlike, requireSameBits } from "./alike.ts";

const problems = async (work: (rank: number) => Promise<unknown>) =>
  (await Promise.allSettled([0, 1].map(work))).map((result) =>
    result.status === "rejected" ? result.reason.message : "",
  );

test("facts that differ are named", async () => {
  const groups = localGroup(2);
  const found = await problems((rank) => requireAlike(groups[rank], { version: "1", ...(rank && { batch: 2 }) }));
  expect(found[0]).toContain("batch is 2, and not given there");
  expect(found[1]).toBe(found[0]);
});

test("backends of different bits are refused, others not", async () => {
  const backend = await createBackend("reference");
  const alike = localGroup(2);
  await expect(Promise.all(alike.map((group) => requireSameBits(group, backend)))).resolves.toBeDefined();
  const groups = localGroup(2);
  const fused = { ...backend, promises: { ...backend.promises, fma: !backend.promises.fma } };
  const found = await problems((rank) =>
    requireSameBits(groups[rank], rank === 0 ? backend : (fused as typeof backend)),
  );
  expect(found[0]).toMatch(/\[rank 1 of 2 on here\] This machine computes with(out)? fused multiply-add, and rank 0's/);
  expect(found[1]).toBe(found[0]);
});
