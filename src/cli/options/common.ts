/** Options and help texts that several commands share. */
import { InvalidArgumentError, Option } from "commander";
import { weightTypes } from "../../backend/backend.ts";
import { headerlessTypes } from "../../format/headerless.ts";
import { quoted } from "../../platform/quoted.ts";
import { trainOptions } from "../../train/settings.ts";
import { asStarted } from "../suggest.ts";
import { name } from "./values.ts";

const flag = "--headerless";

/** The option for token files without a header. Its value may be left out, also before an argument. */
export function headerlessOption(): Option {
  const { flags, help } = trainOptions.headerless;
  return new Option(flags, help).choices(headerlessTypes);
}

/**
 * The arguments with a bare `--headerless` at the end: before `train.bin`, it would take that for its value. Arguments
 * behind `--` stay as they are.
 */
export function bareHeaderlessLast(args: readonly string[]): string[] {
  const end = args.indexOf("--") < 0 ? args.length : args.indexOf("--");
  const options = args.slice(0, end);
  const isBare = (arg: string, at: number) => arg === flag && !headerlessTypes.some((type) => type === options[at + 1]);
  const bare = options.filter(isBare);
  return [...options.filter((arg, at) => !isBare(arg, at)), ...bare.slice(0, 1), ...args.slice(end)];
}

/** The type that matrices are kept in: of commands that only read a model. */
export function weightsOption(): Option {
  const help =
    "of matrices: bf16 takes half the memory, int8, for widths that are multiples of 32, little more than a quarter; both are quicker";
  return new Option("--weights <type>", help).choices(weightTypes).default("f32");
}

/** The option for a LoRA adapter. */
export function adapterOption(): Option {
  return new Option(
    "--adapter <folder>",
    "a LoRA adapter of the model, as PEFT writes it, or a run that trained one: added to the weights",
  ).argParser((folder: string, earlier?: string) => {
    if (earlier === undefined) return name(folder);
    throw new InvalidArgumentError(
      `${earlier} was given already, and a model takes one. Write the first into the model, then add the second: ` +
        asStarted(`llm-ts convert MODEL merged --adapter ${quoted(earlier)}`),
    );
  });
}

/** Examples below the options of `--help`: for each a comment and a command. */
export function examples(...pairs: readonly (readonly [comment: string, command: string])[]): string {
  return `\nExamples:\n${pairs.map(([comment, command]) => `  # ${comment}\n  $ ${asStarted(command)}`).join("\n")}\n`;
}
