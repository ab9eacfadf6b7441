import { expect, test } from "vitest";
import { localGroup } from "../../test/local-group.ts";
import { createBackend } from "../backend/registry.ts";
import { benchGroup, efficiency, groupTable, sumSeconds } from "./group.ts";

test("on paper a sum sends 2 (N-1)/N of the gradients, and accumulation divides its share", () => {
  const gradients = { bytes: 498e6, tensors: 16 };
  // 498 MB at 85% of 10 Gbit/s are 0.469 s; two processes send them once, many twice; 16 tensors of 2 x 30 us.
  expect(sumSeconds(gradients, 2, 10)).toBeCloseTo(0.4687 + 0.00096, 3);
  expect(sumSeconds(gradients, 64, 10)).toBeCloseTo(0.4687 * 2 * (63 / 64) + 0.00576, 3);
  expect(efficiency(1.2, 0.6, 1)).toBeCloseTo(2 / 3);
  expect(efficiency(1.2, 0.6, 8)).toBeCloseTo(16 / 17);
});

test("every member of a group measures the same", async () => {
  const figures = await Promise.all(
    localGroup(2).map(async (group) => {
      const backend = await createBackend("wasm", { threads: 1 });
      try {
        return await benchGroup(backend, group, "baby", { B: 1, T: 4 }, 1);
      } finally {
        await backend.dispose();
      }
    }),
  );
  expect(figures[0]).toMatchObject({ model: "baby", processes: 2, B: 1, T: 4, tensors: 16 });
  expect(figures[0].stepMs).toBe(figures[1].stepMs);
  expect(figures[0].sumMs).toBeGreaterThan(0);
  const table = groupTable(figures[0]);
  expect(table).toContain("baby, B = 1, T = 4 in each of 2: step");
  expect(table.match(/Gbit\/s \|/g)).toHaveLength(4);
  expect(groupTable({ ...figures[0], sumMs: undefined })).toContain("Start several with mpirun");
});
