/** The launcher that started this process as one of several, as its environment variables show. */
import { UsageError } from "../../errors.ts";
import type { Rank } from "../group.ts";

/** Environment variables of this process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Implementations whose launchers and libraries belong together. */
export type Family = "openmpi" | "mpich";

export interface Launcher extends Rank {
  /** For people. */
  readonly name: string;
  /** Words that start as many processes again. */
  readonly command: string;
  /** Undefined for a launcher that starts processes of either. */
  readonly family?: Family;
}

/** Undefined for a process that no launcher started. UsageError where Slurm started several without MPI. */
export function launcherOf(env: Environment): Launcher | undefined {
  const openmpi = rankIn(env, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
  if (openmpi)
    return { name: "Open MPI's mpirun", command: `mpirun -np ${openmpi.size}`, family: "openmpi", ...openmpi };
  // MPICH's Hydra and its kin (Intel MPI, MVAPICH), and Slurm with --mpi=pmi2.
  const mpich = rankIn(env, "PMI_RANK", "PMI_SIZE");
  if (mpich) return { name: "MPICH's mpiexec", command: `mpirun -np ${mpich.size}`, family: "mpich", ...mpich };
  const slurm = rankIn(env, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS");
  const pmix = slurm && rankIn({ ...env, size: String(slurm.size) }, "PMIX_RANK", "size");
  if (pmix) return { name: "Slurm's srun", command: `srun --mpi=pmix -n ${pmix.size}`, ...pmix };
  if (slurm && slurm.size > 1)
    throw new UsageError(
      `srun started ${slurm.size} processes that MPI does not connect, so that each would train alone. Start them with ` +
        "srun --mpi=pmix or srun --mpi=pmi2 (srun --mpi=list shows what this cluster has), or a single one with srun -n 1.",
    );
  return undefined;
}

/** False for all but one of the processes that a launcher started on this machine. */
export function isFirstOnMachine(env: Environment): boolean {
  const variables = ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"];
  return variables.every((name) => !env[name] || env[name] === "0");
}

function rankIn(env: Environment, rankName: string, sizeName: string): Rank | undefined {
  const [rank, size] = [env[rankName], env[sizeName]].map((text) => (text ? Number(text) : Number.NaN));
  return Number.isSafeInteger(rank) && Number.isSafeInteger(size) && rank >= 0 && rank < size
    ? { rank, size }
    : undefined;
}
