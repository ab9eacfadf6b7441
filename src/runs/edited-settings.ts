/** Detection of edited settings in a run's config.json, by comparison with its checkpoint. */
import { InputError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import { optionNamed, settingNames, sourceNames, trainOptions } from "../train/settings.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { placeOf } from "./run-config.ts";
import type { RunFolder } from "./run-folder.ts";

/** Fields that are compared: settings that a result depends on, and those of the model except paths, which a move may change. */
const compared: Readonly<Record<string, readonly string[]>> = {
  run: settingNames.filter((name) => optionNamed(name)?.change !== "always"),
  given: sourceNames.filter((name) => trainOptions[name].kind !== "text"),
  model: ["L", "NH", "C", "V", "maxT"],
};

/**
 * Every setting in config.json must be the checkpoint's, or what an option changed it to since then. InputError names
 * those that are not, with both values.
 */
export function requireUnedited({ path, config }: RunFolder, { step, info }: Checkpoint): void {
  if (!config || !info) return;
  const before = { ...info.config, run: { ...objectIn(info.config.run), ...changesSince(info.config, config) } };
  const found = Object.entries(compared).flatMap(([field, names]) => {
    const [now, then] = [objectIn(config[field]), objectIn(objectIn(before)[field])];
    return names
      .filter((name) => now[name] !== then[name])
      .map((name) => `${placeOf(field, name)} is ${shown(now[name])}, and the checkpoint has ${shown(then[name])}`);
  });
  if (found.length === 0) return;
  throw new InputError(
    `${path}/config.json was edited since the checkpoint of step ${step}: ${found.join("; ")}. Put back what the ` +
      "checkpoint has. What may change within a run is changed by an option and --force, such as --steps 1000 --force.",
  );
}

/** Settings that options changed in the starts after the checkpoint. */
function changesSince(
  then: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const later = listIn(now.continued).slice(listIn(then.continued).length);
  return Object.assign({}, ...later.map((start) => objectIn(objectIn(start).set)));
}

/** Settings of `run` that are others than in config.json, for the record of a start. */
export function changedSettings({ config }: RunFolder, run: object): Record<string, unknown> {
  const before = objectIn(config?.run);
  return Object.fromEntries(Object.entries(run).filter(([name, value]) => before[name] !== value));
}

const objectIn = (value: unknown) => (isObject(value) ? value : {});
const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const shown = (value: unknown) => JSON.stringify(value) ?? "nothing";
