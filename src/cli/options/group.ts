/** Options of commands that several processes of a launcher such as mpirun run together. */
import { type Command, Option } from "commander";
import { isFirstOnMachine } from "../../group/mpi/launcher.ts";
import { asStarted } from "../suggest.ts";
import { real } from "./values.ts";

export interface GroupFlags {
  /** The MPI library; default: the launcher's. */
  readonly mpi?: string;
  /** Seconds. */
  readonly groupTimeout: number;
}

/** What `addGroupOptions` adds, by the names of flags. */
export const groupOptions = ["mpi", "groupTimeout"] as const satisfies readonly (keyof GroupFlags)[];

export function addGroupOptions(command: Command): Command {
  // What is wrong with their arguments all processes of a launcher find: one says so.
  const writeErr = (text: string) => isFirstOnMachine(process.env) && process.stderr.write(asStarted(text));
  return command
    .configureOutput({ writeErr })
    .optionsGroup("Several processes, started by mpirun or srun:")
    .addOption(
      new Option("--mpi <library>", "the MPI library (default: that of the launcher; needs npm install koffi)"),
    )
    .option(
      "--group-timeout <s>",
      "end all processes when one has waited so many seconds for the others",
      real(1, 1e6),
      600,
    );
}
