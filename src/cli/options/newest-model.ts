import { UsageError } from "../../errors.ts";
import { runsIn } from "../../runs/node-run-list.ts";
import { say } from "../output.ts";
import { modelPath } from "./model.ts";

/** Default folder of runs. */
const defaultRuns = "runs";

/**
 * The model of the newest run that has one, after saying which; UsageError where there is none. `option`:
 * what names another; `training`: the commands that make one.
 */
export async function newestModelPath(
  option: string,
  training = "llm-ts train --model baby -o runs/",
): Promise<string> {
  const newest = (await runsIn(defaultRuns)).find(({ checkpoint }) => checkpoint !== undefined);
  if (!newest)
    throw new UsageError(
      `Name a model with ${option}: there is no run with one in ${defaultRuns}/. Train one with ${training}`,
    );
  say(`with the newest run, ${newest.folder} (${option} names another)`);
  return modelPath(newest.folder);
}
