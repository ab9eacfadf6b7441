import { expect, test } from "vitest";
import { isFirstOnMachine, launcherOf } from "./launcher.ts";

test.each([
  [{ OMPI_COMM_WORLD_SIZE: "4", OMPI_COMM_WORLD_RANK: "3", PMIX_RANK: "3" }, "openmpi", 3, 4],
  [{ PMI_SIZE: "2", PMI_RANK: "0" }, "mpich", 0, 2],
  [{ PMIX_RANK: "5", SLURM_PROCID: "5", SLURM_STEP_NUM_TASKS: "8" }, undefined, 5, 8],
])("the launcher that sets %o is known, with rank and size", (env, family, rank, size) => {
  const launcher = launcherOf(env);
  expect(launcher).toMatchObject({ rank, size });
  expect(launcher?.family).toBe(family);
});

test("one process on a machine is the first", () => {
  expect(isFirstOnMachine({})).toBe(true);
  for (const name of ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"]) {
    expect(isFirstOnMachine({ [name]: "0" })).toBe(true);
    expect(isFirstOnMachine({ [name]: "1" })).toBe(false);
  }
});

test("a process that nothing started, or one of a single step of Slurm, has no launcher", () => {
  expect(launcherOf({})).toBeUndefined();
  expect(launcherOf({ PMI_SIZE: "", PMI_RANK: "" })).toBeUndefined();
  expect(launcherOf({ SLURM_PROCID: "0", SLURM_STEP_NUM_TASKS: "1", SLURM_NTASKS: "8" })).toBeUndefined();
});

test("processes that srun started without MPI are refused: each would train alone", () => {
  expect(() => launcherOf({ SLURM_PROCID: "1", SLURM_STEP_NUM_TASKS: "8" })).toThrow(
    "srun started 8 processes that MPI does not connect",
  );
});
