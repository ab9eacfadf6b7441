/** Settings of runs as rows of a table, and their differences. */
import { isObject } from "../../src/format/json.ts";

export interface SettingRow {
  /** "run.learningRate" */
  readonly name: string;
  /** One per run; undefined if it has no such setting. */
  readonly values: readonly (string | undefined)[];
}

/** config.json as names and values: `{ run: { beta1: 0.9 } }` is `run.beta1`: `0.9`. */
export function flattened(config: unknown, prefix = ""): Map<string, string> {
  const result = new Map<string, string>();
  const entries = isObject(config) ? Object.entries(config) : [];
  for (const [name, value] of entries) {
    if (isObject(value)) for (const [inner, text] of flattened(value, `${prefix}${name}.`)) result.set(inner, text);
    else if (Array.isArray(value) && value.some(isObject))
      for (const [inner, text] of flattened({ ...value }, `${prefix}${name}.`)) result.set(inner, text);
    else if (value !== undefined) result.set(prefix + name, typeof value === "string" ? value : JSON.stringify(value));
  }
  return result;
}

/** The settings of several runs, split into those that differ and those that are the same. */
export function compared(configs: readonly unknown[]): { differing: SettingRow[]; same: SettingRow[] } {
  const all = configs.map((config) => flattened(config));
  const names = new Set(all.flatMap((settings) => [...settings.keys()]));
  const rows = [...names].map((name) => ({ name, values: all.map((settings) => settings.get(name)) }));
  const isSame = ({ values }: SettingRow) => values.every((value) => value === values[0]);
  return { differing: rows.filter((row) => !isSame(row)), same: rows.filter(isSame) };
}

/** Tokens per update; undefined if the settings do not say. */
export function tokensPerUpdate(config: unknown): number | undefined {
  const run = isObject(config) && isObject(config.run) ? config.run : {};
  const { batch, block, accumulate = 1 } = run;
  const isCount = (value: unknown): value is number => typeof value === "number" && value > 0;
  return isCount(batch) && isCount(block) && isCount(accumulate) ? batch * block * accumulate : undefined;
}
