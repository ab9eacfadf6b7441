/**
 * The values that MPI's headers define differently in each family of implementations. A C program gets them when it is
 * compiled; here the library that was loaded decides.
 */
import type { ForeignLibrary } from "../../platform/platform.ts";

const handleNames = ["world", "float", "double", "int32", "byte", "sum", "errorsReturn"] as const;
type HandleName = (typeof handleNames)[number];

export interface Abi {
  readonly name: "Open MPI" | "MPICH" | "standard";
  /** C type of a handle: an address, or an integer. */
  readonly handle: "uintptr_t" | "int";
  readonly handles: Readonly<Record<HandleName, bigint>>;
  /** MPI_IN_PLACE: an address that is none. */
  readonly inPlace: bigint;
  /** MPI_THREAD_SERIALIZED. */
  readonly serialized: number;
}

/** MPI 5's: small fixed values as addresses. */
const standard: Abi = {
  name: "standard",
  handle: "uintptr_t",
  handles: {
    world: 0x101n,
    float: 0x210n,
    double: 0x214n,
    int32: 0x250n,
    byte: 0x247n,
    sum: 0x21n,
    errorsReturn: 0x143n,
  },
  inPlace: 1n,
  serialized: 2048,
};

/** That of MPICH, Intel MPI, MVAPICH and Cray MPI: integers. */
const mpich: Abi = {
  name: "MPICH",
  handle: "int",
  handles: {
    world: 0x44000000n,
    float: 0x4c00040an,
    double: 0x4c00080bn,
    int32: 0x4c000439n,
    byte: 0x4c00010dn,
    sum: 0x58000003n,
    errorsReturn: 0x54000001n,
  },
  inPlace: -1n,
  serialized: 2,
};

/** Open MPI's handles are addresses of its variables. */
const openMpiSymbols: Readonly<Record<HandleName, string>> = {
  world: "ompi_mpi_comm_world",
  float: "ompi_mpi_float",
  double: "ompi_mpi_double",
  int32: "ompi_mpi_int32_t",
  byte: "ompi_mpi_byte",
  sum: "ompi_mpi_op_sum",
  errorsReturn: "ompi_mpi_errors_return",
};

/** The ABI of a library; undefined where it is no MPI. The order matters: Open MPI's library of the standard ABI has its symbols as well. */
export function abiOf(library: ForeignLibrary): Abi | undefined {
  if (library.addressOf("MPI_Allreduce") === undefined) return undefined;
  if (isStandard(library)) return standard;
  if (library.addressOf(openMpiSymbols.world) === undefined) return mpich;
  const handles = handleNames.map((name) => [name, library.addressOf(openMpiSymbols[name]) ?? 0n] as const);
  const named = Object.fromEntries(handles) as Record<HandleName, bigint>;
  return { name: "Open MPI", handle: "uintptr_t", handles: named, inPlace: 1n, serialized: 2 };
}

/** Libraries of an older ABI have the function as well, and answer that they have no version of it. */
function isStandard(library: ForeignLibrary): boolean {
  if (library.addressOf("MPI_Abi_get_version") === undefined) return false;
  const [major, minor] = [[0], [0]];
  library.declare<[number[], number[]], number>("int MPI_Abi_get_version(_Out_ int *major, _Out_ int *minor)")(
    major,
    minor,
  );
  return major[0] >= 1;
}
