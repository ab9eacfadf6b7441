/** Finding the MPI library that belongs to the launcher. */
import { platform } from "#platform";
import { InputError } from "../../errors.ts";
import type { ForeignLibrary } from "../../platform/platform.ts";
import { type Abi, abiOf } from "./abi.ts";
import type { Family, Launcher } from "./launcher.ts";

/** Names by which the system's loader finds them: Linux, macOS, Windows. */
const libraries: Readonly<Record<Family | "standard", readonly string[]>> = {
  openmpi: ["libmpi.so.40", "libmpi.40.dylib", "/opt/homebrew/opt/open-mpi/lib/libmpi.40.dylib"],
  mpich: [
    "libmpi.so.12",
    "libmpich.so.12",
    "libmpi.12.dylib",
    "/opt/homebrew/opt/mpich/lib/libmpi.12.dylib",
    "impi.dll",
  ],
  standard: ["libmpi_abi.so.1", "libmpi_abi.so.0", "libmpi_abi.1.dylib", "libmpi_abi.0.dylib"],
};

/** A library and how to call it. */
export interface MpiLibrary {
  readonly library: ForeignLibrary;
  readonly abi: Abi;
}

/**
 * Loads the library at `path`, else the launcher's. InputError where there is none. What it loads itself, such as
 * UCX, takes the signal SIGSEGV away from V8 unless the environment says otherwise: `quiet` is to be set before.
 */
export async function loadMpi({ name, size, family }: Launcher, path: string | undefined): Promise<MpiLibrary> {
  const foreign = await platform.openForeign();
  if (typeof foreign === "string")
    throw new InputError(`${name} started ${size} processes, and MPI cannot be called here: ${foreign}.`);
  const families: readonly (keyof typeof libraries)[] = family
    ? [family, "standard"]
    : ["openmpi", "mpich", "standard"];
  const names = path === undefined ? families.flatMap((one) => libraries[one]) : [path];
  const library = foreign.load(names, {
    // Its plug-ins find its symbols that way.
    global: true,
    problemOf: (found) => (abiOf(found) ? undefined : "it is no MPI library: it has no MPI_Allreduce"),
  });
  const abi = typeof library === "string" ? undefined : abiOf(library);
  if (typeof library === "string" || !abi)
    throw new InputError(
      `${name} started ${size} processes, and no MPI library of its own can be loaded: ${library}. Name it with ` +
        "--mpi PATH, for instance --mpi /usr/lib/x86_64-linux-gnu/libmpi.so.40.",
    );
  return { library, abi };
}

/** Environment variables for UCX, which MPI may be built on: it is to leave V8 its signals and its memory. */
export const quiet: Readonly<Record<string, string>> = { UCX_ERROR_SIGNALS: "", UCX_MEM_EVENTS: "n" };
