/** The options that say how tokens are chosen. */
import type { Command } from "commander";
import { real, topPValue, whole } from "./values.ts";

export interface SamplingFlags {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
}

export function addSamplingOptions(command: Command, temperature: number): Command {
  return command
    .option(
      "--temperature <f>",
      "0: always the most probable token; <1 sharpens, >1 flattens the distribution",
      real(0),
      temperature,
    )
    .option("--top-k <n>", "choose among the k most probable tokens only; 0: all", whole(0), 0)
    .option("--top-p <f>", "choose among the most probable that together reach this", topPValue, 1)
    .option("--min-p <f>", "exclude tokens below this fraction of the highest probability", real(0, 1), 0)
    .option(
      "--repetition-penalty <f>",
      "above 1: tokens that have occurred become less probable",
      real(0.001, 1000),
      1,
    );
}
