import { InvalidArgumentError } from "commander";

export interface NumberLimits {
  readonly min?: number;
  readonly max?: number;
}

/** Reads an option's value as a whole number; what does not fit is a usage error that names the option. */
export function wholeNumber(limits: NumberLimits = {}): (text: string) => number {
  return (text) => {
    if (!/^[+-]?\d+$/.test(text.trim()) || !Number.isSafeInteger(Number(text)))
      throw new InvalidArgumentError(`Expected a whole number${range(limits)}.`);
    return within(Number(text), "a whole number", limits);
  };
}

/** Reads an option's value as a number, 1e-4 and the like included. */
export function realNumber(limits: NumberLimits = {}): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!Number.isFinite(value)) throw new InvalidArgumentError(`Expected a number${range(limits)}.`);
    return within(value, "a number", limits);
  };
}

function within(value: number, what: string, limits: NumberLimits): number {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = limits;
  if (value < min || value > max) throw new InvalidArgumentError(`Expected ${what}${range(limits)}.`);
  return value;
}

function range({ min, max }: NumberLimits): string {
  if (min === undefined && max === undefined) return "";
  if (max === undefined) return ` of at least ${min}`;
  return min === undefined ? ` of at most ${max}` : ` from ${min} to ${max}`;
}

/** What `--help` shows below the options: a line of comment and a command, for each example. */
export function examples(...pairs: readonly (readonly [comment: string, command: string])[]): string {
  return `\nExamples:\n${pairs.map(([comment, command]) => `  # ${comment}\n  $ ${command}`).join("\n")}\n`;
}
