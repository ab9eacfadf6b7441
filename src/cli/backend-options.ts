import { type Command, Option } from "commander";
import type { BackendName } from "../backend/create.ts";
import { whole } from "./option-values.ts";

/** What computes, as the options of several commands say it. */
export interface BackendFlags {
  readonly threads?: number;
  readonly backend: BackendName;
  readonly revectorize: boolean;
}

const backends = ["wasm", "reference"] satisfies BackendName[];

export function addBackendOptions(command: Command): Command {
  return command
    .option("--threads <n>", "(default: OMP_NUM_THREADS, else all cores)", whole(1, 256))
    .addOption(new Option("--backend <name>", "what computes; reference is slow").choices(backends).default("wasm"))
    .option("--no-revectorize", "leave V8's experimental 256-bit mode off: slower");
}
