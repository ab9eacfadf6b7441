import { type Command, Option } from "commander";
import { defaultBackend } from "../../backend/registry.ts";
import type { Computing, GivenOptions } from "../../runs/record.ts";
import { conditions } from "../../train/needs.ts";
import type { TrainOption } from "../../train/setting-rules.ts";
import { optionNamed, type RunChoices, sections } from "../../train/settings.ts";
import { addBackendOptions, type BackendFlags } from "../options/backend.ts";
import { addGroupOptions, type GroupFlags } from "../options/group.ts";
import { numeric, output, toggle } from "../options/values.ts";

/** The options of `llm-ts train` as they were given; what was not given is undefined. */
export interface TrainFlags extends BackendFlags, GroupFlags, RunChoices {
  readonly out?: string;
  readonly resume?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
  readonly tensorboard?: string;
}

/** The typed options that belong to the run's record. */
export function typedOf(flags: TrainFlags): GivenOptions {
  const settings = Object.fromEntries(Object.entries(flags).filter(([name]) => optionNamed(name) !== undefined));
  return { ...settings, ...computingOf(flags) };
}

/** Backend, kernel and BLAS where they were chosen: a resumed run keeps them, for the sake of its last bits. */
export function computingOf({ backend, kernel, blas }: BackendFlags): Computing {
  return {
    backend: backend === defaultBackend ? undefined : backend,
    kernel: kernel === "auto" ? undefined : kernel,
    blas: blas === "none" ? undefined : blas,
  };
}

/** A setting as an option of the command, which arrives under the setting's own name. */
class SettingOption extends Option {
  readonly #name: string;

  constructor(name: string, flags: string, option: TrainOption) {
    super(flags, helpOf(option));
    this.#name = name;
    if (option.kind === "choice") this.choices(option.values);
    else if (option.kind === "whole" || option.kind === "real") this.argParser(numeric(option));
    else if (option.kind === "switch") this.argParser(toggle);
  }

  override attributeName(): string {
    return this.#name;
  }
}

/** The long one of an option's flags: "--lr". */
export function longFlag({ flags = "" }: TrainOption): string {
  return /--[a-z0-9-]+/.exec(flags)?.[0] ?? "";
}

/** "updates; -1: one pass over the data (default: 41; baby: 2000)", "… (with --early-stop; default: 0)" */
function helpOf(option: TrainOption): string {
  const { help = "", zero, needs = [], shown = defaultsOf(option) } = option;
  const notes = [...needs.map((need) => conditions[need].help ?? ""), shown].filter((note) => note !== "").join("; ");
  return `${help}${zero === undefined ? "" : `; 0: ${zero}`}${notes && ` (${notes})`}`;
}

function defaultsOf({ kind, default: value, baby }: TrainOption): string {
  if (value === undefined || kind === "switch") return "";
  return `default: ${textOf(value)}${baby === undefined ? "" : `; baby: ${textOf(baby)}`}`;
}

/** A value as a person types it: 1e-8 rather than 0.00000001. */
function textOf(value: unknown): string {
  return typeof value === "number" && value > 0 && value < 0.01 ? value.toExponential() : String(value);
}

/** Declares every option of `train` on its command. */
export function addTrainOptions(command: Command): Command {
  for (const section of ["Model", "Data", "Updates", "Adapter", "Validation and samples"] as const)
    addSettings(command, section);
  command
    .optionsGroup("Run folder:")
    .option(
      "-o, --out <dir>",
      "folder for checkpoints and logs; with a slash at its end, a new numbered one inside it",
      output,
    );
  return addGroupOptions(
    addBackendOptions(
      addSettings(command, "Run folder")
        .option("-y, --resume [0|1]", "resume the run in the folder --out; where there is none, start it", toggle)
        .option("--force", "with --resume: accept settings that differ from the run's, or other data")
        .optionsGroup("Output and computing:")
        .option("--json", "one JSON object a line")
        .option(
          "--tensorboard <dir>",
          "also write losses, rate and norms for TensorBoard, into a folder of the run's name",
          output,
        ),
    ),
  );
}

function addSettings(command: Command, section: keyof typeof sections): Command {
  command.optionsGroup(`${section}:`);
  for (const [name, option] of Object.entries<TrainOption>(sections[section]))
    if (option.flags !== undefined) command.addOption(new SettingOption(name, option.flags, option));
  return command;
}
