import { type Command, Option } from "commander";
import { examples } from "../options/common.ts";
import { real } from "../options/values.ts";

/** Values of `--what`. */
export const quantities = ["loss", "lr", "norm", "tokens", "bpb"] as const;

import type { PlotFlags } from "./run.ts";

export function addPlot(program: Command): void {
  program
    .command("plot")
    .summary("draw the losses of runs")
    .description(
      "Compares runs in a picture (SVG, for light and dark pages), and in the terminal. Reads the main.log of llm.c's " +
        "runs, too.",
    )
    .argument("<run...>", "folders that llm-ts train -o wrote")
    .option("-o, --out <file>", 'the picture, or the CSV; "-" for standard output (default: plot.svg; of CSV, "-")')
    .addOption(
      new Option(
        "--what <quantity>",
        "loss, learning rate, norm of the gradients, tokens a second, or validations in bits per byte",
      )
        .choices(quantities)
        .default("loss"),
    )
    .option("--log", "logarithmic scale")
    .option(
      "--smooth <f>",
      "decay of the exponential average; 0: no smoothing (default: averages over a fiftieth of a run)",
      real(0, 0.999999),
    )
    .addOption(
      new Option("--csv", "the numbers as CSV in place of a picture: updates and validations, a line each").conflicts([
        "what",
        "log",
        "smooth",
      ]),
    )
    .option("--val-only", "validation losses alone")
    .addHelpText(
      "after",
      examples(
        ["two runs", "llm-ts plot runs/baby-001 runs/baby-002"],
        ["all validation losses", "llm-ts plot runs/* --val-only -o val.svg"],
        ["models of different vocabularies", "llm-ts plot runs/chars-001 runs/bpe-001 --what bpb"],
        ["all numbers of a run, for a spreadsheet", "llm-ts plot runs/baby-001 --csv > baby.csv"],
        ["was the learning rate too high?", "llm-ts plot runs/baby-001 --what norm --log"],
      ),
    )
    .action(async (runs: string[], flags: PlotFlags) => {
      const { plotRuns } = await import("./run.ts");
      await plotRuns(runs, flags);
    });
}
