import { adapterWeights, baseOfAdapter } from "../../api/adapter-base.ts";
import { UsageError } from "../../errors.ts";
import { runsIn } from "../../runs/node-run-list.ts";
import { say } from "../output.ts";
import { modelPath, remarkOnAdded } from "./model.ts";

/** Default folder of runs. */
const defaultRuns = "runs";

interface Choice {
  /** A model's file, or an adapter's weights that name one. */
  readonly path: string;
  /** The adapter that is still to be added. */
  readonly adapter?: string;
}

/**
 * The model that a command computes with: the named one, or that which `adapter` names, or that of the newest run, see
 * `newestModelPath`.
 */
export async function chosenModel(
  named: string | undefined,
  adapter: string | undefined,
  ...newest: Parameters<typeof newestModelPath>
): Promise<Choice> {
  if (adapter === undefined)
    return { path: await (named === undefined ? newestModelPath(...newest) : modelPath(named)) };
  const weights = await adapterWeights(adapter);
  if (named === undefined && (await baseOfAdapter(weights))) return { path: await modelPath(weights) };
  const path = await (named === undefined ? newestModelPath(...newest) : modelPath(named));
  await remarkOnAdded(adapter, path);
  return { path, adapter };
}

/**
 * The model of the newest run that has one, after saying which; UsageError where there is none. `option`:
 * what names another; `training`: the commands that make one.
 */
async function newestModelPath(option: string, training = "llm-ts train --model baby -o runs/"): Promise<string> {
  const newest = (await runsIn(defaultRuns)).find(({ checkpoint }) => checkpoint !== undefined);
  if (!newest)
    throw new UsageError(
      `Name a model with ${option}: there is no run with one in ${defaultRuns}/. Train one with ${training}`,
    );
  say(`with the newest run, ${newest.folder} (${option} names another)`);
  return modelPath(newest.folder);
}
