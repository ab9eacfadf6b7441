import { expect, test } from "vitest";
import type { ForeignLibrary } from "../../platform/platform.ts";
import { abiOf } from "./abi.ts";

/** A library with some symbols, at addresses from 1 on; `version` is what MPI_Abi_get_version answers. */
function library(symbols: readonly string[], version = -1): ForeignLibrary {
  const answer = (major: number[], minor: number[]) => {
    major[0] = version;
    minor[0] = 0;
    return 0;
  };
  return {
    name: "libmpi",
    declare: (() => answer) as unknown as ForeignLibrary["declare"],
    declareAsync: () => {
      throw new Error("no call expected");
    },
    addressOf: (name) => (symbols.includes(name) ? BigInt(symbols.indexOf(name) + 1) : undefined),
  };
}

test("the library that was loaded says which ABI it has", () => {
  expect(abiOf(library(["cosf"]))).toBeUndefined();
  expect(abiOf(library(["MPI_Allreduce"]))).toMatchObject({ name: "MPICH", handle: "int", inPlace: -1n });
  // MPICH 5 and Open MPI 6 have the function in their older libraries as well.
  expect(abiOf(library(["MPI_Allreduce", "MPI_Abi_get_version"]))?.name).toBe("MPICH");
  const open = ["MPI_Allreduce", "MPI_Abi_get_version", "ompi_mpi_comm_world", "ompi_mpi_float"];
  expect(abiOf(library(open))).toMatchObject({ name: "Open MPI", inPlace: 1n, handles: { world: 3n, float: 4n } });
  expect(abiOf(library(open, 1))).toMatchObject({ name: "standard", serialized: 2048, handles: { world: 0x101n } });
});
