import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { suggestion } from "../suggest.ts";

export interface Outcome {
  /** Value of --train; undefined: tiny Shakespeare. */
  readonly train: string | undefined;
  readonly tokenizer: Tokenizer | undefined;
  readonly folder?: string;
  /** True if the folder holds a checkpoint: the only save may have failed. */
  readonly saved: boolean;
  readonly interrupted: boolean;
  /** Value of --tensorboard. */
  readonly tensorboard?: string;
  /** Words that start as many processes as the run's again; undefined for one process. */
  readonly launchedBy?: string;
}

/** Suggestions after a run: commands that work as they stand. */
export function nextCommands(outcome: Outcome): string[] {
  const { train, tokenizer, folder, saved, interrupted, tensorboard, launchedBy } = outcome;
  if (folder === undefined) return ["Nothing was saved. To keep a model, give its run a folder: -o runs/"];
  const suggestions: [what: string, ...commands: string[]][] = [];
  const prompt = train === undefined ? ["ROMEO:"] : [];
  if (tokenizer?.turnEnd !== undefined && saved) suggestions.push(["talk with this model", suggestion("chat", folder)]);
  else if (tokenizer && saved)
    suggestions.push(["write with this model", suggestion("generate", ...prompt, "--model", folder)]);
  // What a run does not record, and would otherwise end with this process.
  const board = tensorboard === undefined ? [] : ["--tensorboard", tensorboard];
  const resume = suggestion("train", "-o", folder, "--resume", ...board);
  if (interrupted && launchedBy !== undefined)
    suggestions.push(["resume it, with the launcher's other options as before", `${launchedBy} ${resume}`]);
  else if (interrupted) suggestions.push(["resume it", resume]);
  else if (tokenizer?.kind === "char" && train === undefined)
    suggestions.push([
      "train on a text of your own, for example my.txt",
      suggestion("prepare", "my.txt", "--tokenizer", "char", "--out", "my"),
      suggestion("train", "--model", "baby", "--train", "my", "-o", "runs/"),
    ]);
  return suggestions.flatMap(([what, ...commands]) => [`${what}:`, ...commands.map((command) => `  ${command}`)]);
}
