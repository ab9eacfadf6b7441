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
}

/** Suggestions after a run: commands that work as they stand. */
export function nextCommands({ train, tokenizer, folder, saved, interrupted }: Outcome): string[] {
  if (folder === undefined) return ["Nothing was saved. To keep a model, give its run a folder: -o runs/"];
  const suggestions: [what: string, ...commands: string[]][] = [];
  const prompt = train === undefined ? ["ROMEO:"] : [];
  if (tokenizer && saved)
    suggestions.push(["write with this model", suggestion("generate", ...prompt, "--model", folder)]);
  if (interrupted) suggestions.push(["resume it", suggestion("train", "-o", folder, "--resume")]);
  else if (tokenizer?.kind === "char" && train === undefined)
    suggestions.push([
      "train on a text of your own, for example my.txt",
      suggestion("prepare", "my.txt", "--tokenizer", "char", "--out", "my"),
      suggestion("train", "--model", "baby", "--train", "my", "-o", "runs/"),
    ]);
  return suggestions.flatMap(([what, ...commands]) => [`${what}:`, ...commands.map((command) => `  ${command}`)]);
}
