/** Settings of sampling that a session changes by commands: /temperature 0.5. */
import { InvalidArgumentError } from "commander";
import { UsageError } from "../../errors.ts";
import { wrap } from "../display/text.ts";
import { real, topPValue, whole } from "./values.ts";

export const settings = {
  temperature: {
    key: "temperature",
    parse: real(0),
    help: "0: always the most probable token; <1 sharpens, >1 flattens the distribution",
  },
  "top-k": { key: "topK", parse: whole(0), help: "choose among the k most probable; 0: all" },
  "top-p": { key: "topP", parse: topPValue, help: "choose among the most probable that together reach this" },
  "min-p": { key: "minP", parse: real(0, 1), help: "leave out what is below this share of the most probable" },
  "repetition-penalty": { key: "repetitionPenalty", parse: real(0.001, 1000), help: "above 1: repeat less" },
  tokens: { key: "maxTokens", parse: whole(0), help: "the most tokens of the next piece" },
  seed: { key: "seed", parse: whole(0), help: "of the next piece; each takes the next seed" },
} as const;

export type SettingName = keyof typeof settings;

export const isSetting = (name: string): name is SettingName => Object.hasOwn(settings, name);

/** The value of a setting; UsageError where it is none. */
export function parseSetting(name: SettingName, value: string): number {
  try {
    return settings[name].parse(value);
  } catch (error) {
    if (error instanceof InvalidArgumentError)
      throw new UsageError(`/${[name, value].join(" ").trimEnd()}: ${error.message}`);
    throw error;
  }
}

const nameWidth = 29;

/** Help for a terminal of so many columns: what the commands do, and those that change settings. */
export function sessionHelp(
  columns: number,
  before: string,
  commands: Readonly<Record<string, string>>,
  after: string,
  /** What the model writes at a time. */
  piece = "piece",
): string {
  const line = ([name, text]: readonly [string, string]) =>
    wrap(text, Math.max(20, columns - nameWidth))
      .map((part, at) => (at === 0 ? `  /${name}` : "").padEnd(nameWidth) + part)
      .join("\n");
  const changes = Object.entries(settings).map(
    ([name, { help }]) => [`${name} VALUE`, help.replace("piece", piece)] as const,
  );
  const lines = [
    ...wrap(before, columns),
    ...[...Object.entries(commands), ...changes].map(line),
    ...wrap(after, columns),
  ];
  return `${lines.join("\n")}\n`;
}
