import { UsageError } from "../../errors.ts";
import { modelPath } from "../model-path.ts";
import { say } from "../output.ts";
import { runsIn } from "../run-folders.ts";

/** Where runs are unless another folder is named. */
const defaultRuns = "runs";

/** The model of the newest run that has one, after saying which; UsageError where there is none. */
export async function newestModelPath(): Promise<string> {
  const newest = (await runsIn(defaultRuns)).find(({ checkpoint }) => checkpoint !== undefined);
  if (!newest)
    throw new UsageError(
      `Name a model with --model: there is no run with one in ${defaultRuns}/. Train one with llm-ts train --model baby -o runs/`,
    );
  say(`with the newest run, ${newest.folder} (--model names another)`);
  return modelPath(newest.folder);
}
