import { basename } from "node:path";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { TrainFlags } from "./options.ts";

export interface Outcome {
  readonly flags: TrainFlags;
  readonly tokenizer: Tokenizer | undefined;
  readonly folder?: string;
  readonly interrupted: boolean;
}

/** What to try after a run: commands that work as they stand. */
export function nextCommands({ flags, tokenizer, folder, interrupted }: Outcome): string[] {
  if (folder === undefined) return ["Nothing was saved. To keep a model, give its run a folder: -o runs/"];
  const llm = commandName();
  const prompt = flags.train === undefined ? '"ROMEO:" ' : "";
  const suggestions: [what: string, ...commands: string[]][] = [];
  if (tokenizer) suggestions.push(["write with this model", `${llm} generate ${prompt}--model ${quoted(folder)}`]);
  if (interrupted) suggestions.push(["go on where it stopped", `${llm} train -o ${quoted(folder)} --resume`]);
  else if (tokenizer?.kind === "char")
    suggestions.push([
      "train on your own text",
      `${llm} prepare my.txt --tokenizer char --out my`,
      `${llm} train --model baby --train my -o runs/`,
    ]);
  return suggestions.flatMap(([what, ...commands]) => [`${what}:`, ...commands.map((command) => `  ${command}`)]);
}

/** How this program was called: by its name where it is installed, else through npx. */
function commandName(): string {
  return basename(process.argv[1] ?? "") === "llm-ts" ? "llm-ts" : "npx llm-ts";
}

/** In quotes where a shell would take it apart. */
function quoted(text: string): string {
  return /^[\w@%+=:,./\\-]+$/.test(text) ? text : `"${text}"`;
}
