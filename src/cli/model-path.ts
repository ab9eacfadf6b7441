import { platform } from "#platform";
import { inFolder } from "../data/dataset.ts";
import { InputError } from "../errors.ts";

/** The model file that a path means: the file itself or, of a run folder, its newest model. */
export async function modelPath(path: string): Promise<string> {
  if ((await platform.pathKind(path)) !== "folder") return path;
  const models = await platform.listFiles(inFolder(path, "model_*.bin"));
  // Eight digits each, so the last name is the newest.
  const newest = models.at(-1);
  if (newest !== undefined) return newest;
  throw new InputError(
    `${path} is a folder without a model_*.bin in it. Give a model file, or the folder of a run that saved one.`,
  );
}
